use chrono::{DateTime, Utc};
use messaging::contract::{Progress, StatusDetail, StatusType};
use uuid::Uuid;

use super::*;
use crate::reports::Report;

const RUN: RunId = RunId(Uuid::from_u128(1));

fn spooled(at: i64, lane: Lane, report: Report) -> Arc<Spooled> {
    let at = DateTime::<Utc>::from_timestamp_micros(at).unwrap();
    Arc::new(Spooled { id: Uuid::now_v7(), at, worker_id: 6, lane, report })
}

fn progress() -> Report {
    let detail = StatusDetail { progress: Some(Progress::default()), ..StatusDetail::default() };
    let status = StatusType::Initializing;
    Report::InstanceStatus { run_id: RUN, status, detail: Some(detail) }
}

fn status() -> Report {
    Report::InstanceStatus { run_id: RUN, status: StatusType::Running, detail: None }
}

/// A queue with these in memory only.
fn queue(reports: &[Arc<Spooled>]) -> Queue {
    let mut queue = Queue::default();
    for spooled in reports {
        queue.push(Entry::new(Arc::clone(spooled), false, None));
    }
    queue
}

#[test]
fn of_too_many_in_memory_progress_is_given_up_first_and_then_the_oldest() {
    let reports = [
        spooled(1, Lane::Config(2), status()),
        spooled(2, Lane::Config(1), status()),
        spooled(3, Lane::Config(1), progress()),
        spooled(4, Lane::Worker, Report::WorkerClosed),
    ];
    let mut queue = queue(&reports);
    queue.begin(&reports[0]);
    assert!(queue.take_surplus(4).is_none());
    let mut given_up = || queue.take_surplus(1).map(|entry| entry.spooled.at);
    // What is under way stays.
    assert_eq!(given_up(), Some(reports[2].at));
    assert_eq!(given_up(), Some(reports[1].at));
    assert_eq!(given_up(), Some(reports[3].at));
    assert_eq!(given_up(), None);
    assert_eq!(*queue.undelivered.borrow(), 1);
}

#[test]
fn what_is_on_disk_is_never_given_up() {
    let reports = [spooled(1, Lane::Worker, status()), spooled(2, Lane::Worker, status())];
    let mut queue = queue(&reports);
    queue.is_written(&reports[0]);
    queue.is_written(&reports[0]);
    assert_eq!(queue.unwritten(), [Arc::clone(&reports[1])]);
    assert!(queue.take_surplus(1).is_none());
    assert_eq!(queue.take_surplus(0).map(|entry| entry.spooled.at), Some(reports[1].at));
    assert!(!queue.has_unwritten());
}

#[test]
fn progress_that_is_under_way_is_not_outdated_by_a_newer_one() {
    let lane = Lane::Config(1);
    let reports = [1, 2, 3].map(|at| spooled(at, lane, progress()));
    let mut queue = queue(&reports[..2]);
    queue.instances.add(RUN, 12);
    assert_eq!(queue.begin_statuses(lane, 1).len(), 1);
    let outdated = queue.take_outdated_by(&reports[2]);
    assert_eq!(outdated.map(|entry| entry.spooled.at), Some(reports[1].at));
    assert!(queue.take_outdated_by(&reports[2]).is_none());
    queue.put_back(lane);
    assert!(queue.take_outdated_by(&reports[2]).is_some());
}

#[test]
fn outcomes_can_be_told_before_the_status_that_holds_them_up() {
    let lane = Lane::Config(1);
    let outcome = |run_id| Report::CommandOutcome {
        command_id: Uuid::now_v7(),
        outcome: crate::reports::Outcome::Fulfilled,
        run_id,
    };
    let unborn = RunId(Uuid::from_u128(2));
    let created = Report::InstanceCreated { run_id: unborn, game_server_config_id: 1 };
    let closed = Report::InstanceClosed { run_id: RUN };
    let [of_none, of_known] = [None, Some(RUN)].map(outcome);
    let all = [status(), of_none, closed, created, outcome(Some(unborn)), of_known];
    let reports: Vec<_> =
        all.into_iter().zip(1..).map(|(report, at)| spooled(at, lane, report)).collect();
    let mut queue = queue(&reports);
    queue.instances.add(RUN, 12);
    for outcome in [1, 5] {
        let ahead = queue.outcomes_behind_statuses();
        let ahead = ahead.iter().map(|head| head.spooled.at).collect::<Vec<_>>();
        assert_eq!(ahead, [reports[outcome].at]);
        queue.take(&reports[outcome]).unwrap();
    }
    assert!(queue.outcomes_behind_statuses().is_empty(), "its run is no instance yet");
    queue.take(&reports[0]).unwrap();
    queue.instances.add(unborn, 13);
    assert!(queue.outcomes_behind_statuses().is_empty(), "nothing holds it up");
}

#[test]
fn only_statuses_that_follow_each_other_go_together() {
    let lane = Lane::Config(1);
    let closed = Report::InstanceClosed { run_id: RUN };
    let all = [status(), progress(), closed, status()];
    let reports: Vec<_> =
        all.into_iter().zip(1..).map(|(report, at)| spooled(at, lane, report)).collect();
    let mut queue = queue(&reports);
    queue.instances.add(RUN, 12);
    assert_eq!(queue.begin_statuses(lane, 10).len(), 2);
    assert!(queue.heads().is_empty(), "one thing at a time in a lane");
    for spooled in &reports[..2] {
        queue.take(spooled).unwrap();
    }
    assert!(matches!(queue.heads()[0].telling, Telling::Call(_)));
}
