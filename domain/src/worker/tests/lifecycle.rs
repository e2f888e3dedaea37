//! Beginning and end.

use super::*;
use crate::testing::{given, replayed};
use crate::{Claim, ClaimChange, ClaimScope, Claims, Refusal, RefusalKind};

fn register(name: Option<&str>) -> WorkerCommand {
    WorkerCommand::Register {
        worker_id: WORKER,
        surface: Surface::Native,
        name: name.map(str::to_owned),
        agent: None,
        at: at(NOW),
    }
}

fn close(by: WorkerClosedBy) -> WorkerCommand {
    WorkerCommand::Close { at: at(NOW), by }
}

#[test]
fn an_agent_registers_once_under_an_id() {
    when_in_every_state(
        || register(Some("atlas")),
        |state| match state {
            Unborn => Ok(vec![WorkerEvent::WorkerRegistered {
                worker_id: WORKER,
                surface: Surface::Native,
                name: Some("atlas".to_owned()),
                registered_at: at(NOW),
            }]),
            OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
            | Crashed | ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete
            | ClosedWhileLost => Err(WorkerRefusal::AlreadyExists { worker_id: WORKER }),
        },
    );
}

#[test]
fn a_name_is_short_and_printable_and_has_no_blanks_at_its_ends() {
    let longest = "\u{fc}".repeat(128);
    for name in ["atlas", "Host 1 (attic)", "a", longest.as_str()] {
        assert!(replayed::<Worker>(vec![]).decide(register(Some(name))).is_ok(), "{name:?}");
    }
    for name in ["", " ", " atlas", "atlas ", "at\0las", "at\nlas", "at\u{85}las"] {
        given::<Worker>(vec![])
            .when(register(Some(name)))
            .then_expect_error(WorkerRefusal::NotAName { name: name.replace('\0', "\u{fffd}") });
    }
    given::<Worker>(vec![])
        .when(register(Some(&"\u{fc}".repeat(129))))
        .then_expect_error(WorkerRefusal::NotAName { name: longest });
}

#[test]
fn a_name_is_claimed_by_the_registration_and_free_after_the_end() {
    let name = || Claim { scope: ClaimScope::WorkerName, key: "atlas".to_owned() };
    let mut worker = replayed::<Worker>(vec![]);
    let registered = worker.decide(register(Some("atlas"))).unwrap();
    assert_eq!(registered[0].claims(), [ClaimChange::Take(name())]);
    worker = replayed(registered);
    let ended = worker.decide(close(WorkerClosedBy::LostTooLong)).unwrap();
    assert_eq!(ended[0].claims(), [ClaimChange::Release(name())]);

    let (nameless, ended) = (registered_over(Surface::V1), closed());
    assert_eq!((nameless.claims(), ended.claims()), (vec![], vec![]));
}

#[test]
fn a_heartbeat_is_never_an_event_and_is_refused_for_unknown_and_closed_workers() {
    for agent_id in [None, Some(Uuid::from_u128(1))] {
        when_in_every_state(
            || WorkerCommand::Heartbeat { agent_id },
            |state| match state {
                Unborn => Err(WorkerRefusal::NotFound),
                OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
                | Crashed => Ok(vec![]),
                ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete | ClosedWhileLost => {
                    Err(gone())
                }
            },
        );
    }
}

#[test]
fn a_worker_is_closed_once_and_concluded_at_once_when_it_is_lost() {
    for by in [
        WorkerClosedBy::Shutdown,
        WorkerClosedBy::SupersededBy(WorkerId(7)),
        WorkerClosedBy::LostTooLong,
    ] {
        when_in_every_state(
            || close(by),
            |state| match state {
                Unborn => Err(WorkerRefusal::NotFound),
                OpenWithoutStatus | Running | Complete | Crashed => {
                    Ok(vec![closed_by(by, at(NOW))])
                }
                LostWithoutStatus | LostWhileRunning => {
                    Ok(vec![closed_by(by, at(NOW)), concluded(at(NOW))])
                }
                ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete | ClosedWhileLost => {
                    Err(already_closed())
                }
            },
        );
    }
}

#[test]
fn only_a_closed_worker_that_showed_a_status_and_no_final_one_is_concluded() {
    when_in_every_state(
        || WorkerCommand::Conclude { at: at(NOW) },
        |state| match state {
            Unborn => Err(WorkerRefusal::NotFound),
            ClosedWhileRunning => Ok(vec![concluded(at(NOW))]),
            OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
            | Crashed | ClosedWithoutStatus | ClosedThenComplete | ClosedWhileLost => Ok(vec![]),
        },
    );
}

#[test]
fn a_conclusion_is_newer_than_a_loss_declared_in_the_same_instant() {
    let one_microsecond_later = at(NOW) + chrono::TimeDelta::microseconds(1);
    given::<Worker>(vec![registered(), lost(at(NOW))])
        .when(close(WorkerClosedBy::LostTooLong))
        .then_expect_events(vec![
            closed_by(WorkerClosedBy::LostTooLong, at(NOW)),
            concluded(one_microsecond_later),
        ]);
}

#[test]
fn a_worker_is_open_from_its_registration_to_its_end() {
    for state in STATES {
        let open = match state {
            OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
            | Crashed => true,
            Unborn | ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete
            | ClosedWhileLost => false,
        };
        assert_eq!(replayed::<Worker>(history(state)).is_open(), open, "{state:?}");
    }
}

#[test]
fn a_refusal_tells_what_the_caller_can_do() {
    let word = || "é".to_owned();
    for (refusal, kind) in [
        (WorkerRefusal::NotFound, RefusalKind::NotFound),
        (WorkerRefusal::AlreadyExists { worker_id: WORKER }, RefusalKind::Conflict),
        (already_closed(), RefusalKind::Conflict),
        (gone(), RefusalKind::Gone),
        (WorkerRefusal::LostReported, RefusalKind::Invalid),
        (WorkerRefusal::ControlCharacters { word: word() }, RefusalKind::Invalid),
        (WorkerRefusal::NotAscii { word: word() }, RefusalKind::Invalid),
        (WorkerRefusal::NotAName { name: word() }, RefusalKind::Invalid),
        (
            WorkerRefusal::NameInUse { worker_id: WORKER, last_heartbeat_at: at(0) },
            RefusalKind::Conflict,
        ),
        (WorkerRefusal::TakenOver { worker_id: WORKER }, RefusalKind::Conflict),
    ] {
        assert_eq!(refusal.kind(), kind, "{refusal}");
    }
}
