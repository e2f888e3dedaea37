use tempfile::TempDir;

use super::*;

fn ledger(directory: &TempDir) -> Ledger {
    let (journal, records) = Journal::open(directory.path().to_owned()).unwrap();
    Ledger::new(6, journal, records, &HashSet::new()).0
}

fn enter(ledger: &mut Ledger, asked: Asked) -> Uuid {
    let id = Uuid::now_v7();
    ledger.enter(id, None, (asked, None), None);
    id
}

fn take(ledger: &mut Ledger) -> Option<Asked> {
    ledger.take().map(|(_, open)| open.asked.clone())
}

fn start(config_id: i32) -> Asked {
    Asked::Start { config_id }
}

fn stop(config_id: i32) -> Asked {
    Asked::Stop { config_id }
}

#[test]
fn when_very_much_is_in_work_stops_and_what_they_stop_do_not_wait() {
    let directory = TempDir::new().unwrap();
    let mut ledger = ledger(&directory);
    let ids: Vec<_> = (1..=300).map(|id| enter(&mut ledger, start(id))).collect();
    for config_id in 1..=256 {
        assert_eq!(take(&mut ledger), Some(start(config_id)));
    }
    assert_eq!(take(&mut ledger), None);
    enter(&mut ledger, stop(7));
    enter(&mut ledger, stop(260));
    enter(&mut ledger, Asked::ShutDown);
    assert_eq!(take(&mut ledger), Some(stop(7)));
    assert_eq!(take(&mut ledger), Some(start(260)), "a stop does not overtake its start");
    assert_eq!(take(&mut ledger), Some(stop(260)));
    assert_eq!(take(&mut ledger), Some(Asked::ShutDown));
    assert_eq!(take(&mut ledger), None);
    for id in &ids[..4] {
        ledger.end(*id, Outcome::Fulfilled, None);
        assert_eq!(take(&mut ledger), None, "there were 260 in work");
    }
    ledger.end(ids[4], Outcome::Fulfilled, None);
    assert_eq!(take(&mut ledger), Some(start(257)));
}

#[test]
fn a_dropped_command_frees_its_place_and_may_come_again() {
    let directory = TempDir::new().unwrap();
    let mut ledger = ledger(&directory);
    let id = enter(&mut ledger, start(1));
    take(&mut ledger);
    ledger.accept(id);
    assert_eq!((ledger.seen(id), ledger.in_work), (Seen::Open, 1));
    ledger.dropped(id);
    assert_eq!((ledger.seen(id), ledger.in_work), (Seen::Dropped, 0));
    ledger.wait_again(id);
    let (_, again) = ledger.take().unwrap();
    assert!(again.resumed);
    ledger.end(id, Outcome::Fulfilled, None);
    assert_eq!((ledger.seen(id), ledger.in_work), (Seen::Done, 0));
}

#[test]
fn an_outcome_of_an_earlier_agent_is_told_again_once() {
    let directory = TempDir::new().unwrap();
    let mut earlier = ledger(&directory);
    let id = enter(&mut earlier, start(1));
    take(&mut earlier);
    earlier.accept(id);
    earlier.end(id, Outcome::Fulfilled, None);
    assert_eq!(earlier.tell_again(id), None, "it is told already");
    let mut later = ledger(&directory);
    assert_eq!(later.seen(id), Seen::DoneEarlier);
    let record = later.tell_again(id).unwrap();
    assert!(matches!(record.state, State::Done { outcome: Outcome::Fulfilled, .. }));
    assert_eq!(later.tell_again(id), None);
}

#[test]
fn what_was_in_work_waits_first_and_in_its_order_unless_it_must_not_be_repeated() {
    let directory = TempDir::new().unwrap();
    let mut earlier = ledger(&directory);
    let line = Asked::Stdin { config_id: 1, instance_id: None, line: "say hi".to_owned() };
    let ids = [start(1), line, stop(1), Asked::ShutDown, start(2)]
        .map(|asked| enter(&mut earlier, asked));
    for id in &ids[..4] {
        take(&mut earlier);
        earlier.accept(*id);
    }
    let (journal, records) = Journal::open(directory.path().to_owned()).unwrap();
    let (mut later, stranded) = Ledger::new(6, journal, records, &HashSet::new());
    assert_eq!(stranded, [ids[1]]);
    enter(&mut later, start(3));
    for asked in [start(1), stop(1), Asked::ShutDown, start(3)] {
        assert_eq!(take(&mut later), Some(asked));
    }
    let (journal, records) = Journal::open(directory.path().to_owned()).unwrap();
    let (mut another, stranded) = Ledger::new(7, journal, records, &HashSet::new());
    assert_eq!(stranded, ids[..4], "they were asked of worker 6");
    assert_eq!(take(&mut another), None);
}
