//! Reports, loss and recovery.

use cqrs_es::Aggregate;

use super::*;
use crate::testing::{given, replayed};
use crate::{CurrentStatus, StatusReport};

fn report(status: StatusType, as_of: Instant) -> WorkerCommand {
    WorkerCommand::ReportStatus(StatusReport { status, as_of, received_at: at(NOW) })
}

fn declare_lost() -> WorkerCommand {
    WorkerCommand::DeclareLost { at: at(NOW), last_heartbeat_at: Some(at(25)) }
}

fn declare_recovered() -> WorkerCommand {
    WorkerCommand::DeclareRecovered { at: at(NOW) }
}

#[test]
fn a_report_is_recorded_also_after_the_goodbye_and_changes_all_but_a_final_status() {
    when_in_every_state(
        || report(StatusType::Initializing, at(90)),
        |state| {
            let recorded =
                |standing| Ok(vec![reported_with(standing, StatusType::Initializing, at(90))]);
            match state {
                Unborn => Err(WorkerRefusal::NotFound),
                OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning
                | ClosedWithoutStatus | ClosedWhileRunning => recorded(Standing::Current),
                Complete | Crashed | ClosedThenComplete | ClosedWhileLost => {
                    recorded(Standing::AfterTerminal)
                }
            }
        },
    );
}

#[test]
fn a_report_older_than_what_is_shown_is_recorded_as_outdated() {
    when_in_every_state(
        || report(StatusType::Initializing, at(5)),
        |state| {
            let recorded =
                |standing| Ok(vec![reported_with(standing, StatusType::Initializing, at(5))]);
            match state {
                Unborn => Err(WorkerRefusal::NotFound),
                OpenWithoutStatus | ClosedWithoutStatus => recorded(Standing::Current),
                Running | LostWithoutStatus | LostWhileRunning | ClosedWhileRunning => {
                    recorded(Standing::Outdated)
                }
                Complete | Crashed | ClosedThenComplete | ClosedWhileLost => {
                    recorded(Standing::AfterTerminal)
                }
            }
        },
    );
}

#[test]
fn a_report_that_arrives_twice_is_recorded_twice_and_counts_once() {
    given::<Worker>(history(Running))
        .when(report(StatusType::Running, at(10)))
        .then_expect_events(vec![reported_with(Standing::Outdated, StatusType::Running, at(10))]);
}

#[test]
fn a_report_from_the_future_counts_from_its_receipt_and_keeps_what_was_sent() {
    given::<Worker>(history(Running))
        .when(report(StatusType::Complete, at(NOW + 3600)))
        .then_expect_events(vec![WorkerEvent::WorkerStatusReported {
            status: StatusType::Complete,
            reported_as_of: at(NOW + 3600),
            as_of: at(NOW),
            standing: Standing::Current,
        }]);
}

#[test]
fn nobody_reports_lost() {
    when_in_every_state(
        || report(StatusType::Lost, at(90)),
        |state| match state {
            Unborn => Err(WorkerRefusal::NotFound),
            OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
            | Crashed | ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete
            | ClosedWhileLost => Err(WorkerRefusal::LostReported),
        },
    );
}

#[test]
fn only_an_open_worker_without_a_final_status_is_lost_and_only_once() {
    when_in_every_state(declare_lost, |state| match state {
        Unborn => Err(WorkerRefusal::NotFound),
        OpenWithoutStatus | Running => Ok(vec![lost(at(NOW))]),
        LostWithoutStatus | LostWhileRunning | Complete | Crashed | ClosedWithoutStatus
        | ClosedWhileRunning | ClosedThenComplete | ClosedWhileLost => Ok(vec![]),
    });
}

#[test]
fn a_recovered_worker_shows_what_it_showed_before_or_running() {
    when_in_every_state(declare_recovered, |state| match state {
        Unborn => Err(WorkerRefusal::NotFound),
        LostWithoutStatus | LostWhileRunning => Ok(vec![recovered(at(NOW), StatusType::Running)]),
        OpenWithoutStatus | Running | Complete | Crashed | ClosedWithoutStatus
        | ClosedWhileRunning | ClosedThenComplete | ClosedWhileLost => Ok(vec![]),
    });

    given::<Worker>(vec![registered(), reported(StatusType::Created, at(10)), lost(at(30))])
        .when(declare_recovered())
        .then_expect_events(vec![recovered(at(NOW), StatusType::Created)]);
}

#[test]
fn a_newer_report_of_a_lost_worker_ends_the_loss_without_a_trace() {
    let events = [history(LostWhileRunning), vec![reported(StatusType::Initializing, at(50))]];
    let worker = replayed::<Worker>(events.concat());

    let shown =
        CurrentStatus { status: StatusType::Initializing, as_of: at(50), before_loss: None };
    assert_eq!(worker.status, Some(shown));
    assert_eq!(worker.decide(declare_recovered()), Ok(vec![]));
}

#[test]
fn reports_without_news_leave_what_is_shown_alone() {
    for standing in [Standing::Outdated, Standing::AfterTerminal] {
        let report = reported_with(standing, StatusType::Crashed, at(50));
        let worker = replayed::<Worker>([history(Running), vec![report]].concat());

        assert_eq!(worker.status, replayed::<Worker>(history(Running)).status);
    }
}

#[test]
fn what_we_declare_is_newer_than_any_report_even_of_a_clock_that_we_trusted_too_far() {
    let ahead = at(NOW + 5);
    let next = ahead + chrono::TimeDelta::microseconds(1);
    let running = vec![registered(), reported(StatusType::Running, ahead)];

    given::<Worker>(running.clone()).when(declare_lost()).then_expect_events(vec![lost(next)]);
    given::<Worker>(vec![registered(), lost(ahead)])
        .when(declare_recovered())
        .then_expect_events(vec![recovered(next, StatusType::Running)]);
    given::<Worker>([running, vec![closed()]].concat())
        .when(WorkerCommand::Conclude { at: at(NOW) })
        .then_expect_events(vec![concluded(next)]);
}

/// Goes through every sequence of `depth` of these commands, from the state `worker` is in.
fn explore(worker: &Worker, commands: &[WorkerCommand], depth: usize) {
    if depth == 0 {
        return;
    }
    for command in commands {
        let mut next = worker.clone();
        for event in worker.decide(command.clone()).unwrap_or_default() {
            let before = next.status;
            next.apply(event.clone());
            assert_moves_forward(before, next.status, &event);
            assert!(
                next.is_open()
                    || next.status.is_none_or(|shown| !shown.is_lost())
                    || matches!(event, WorkerEvent::WorkerClosed { .. }),
                "{next:?}"
            );
        }
        explore(&next, commands, depth - 1);
    }
}

fn assert_moves_forward(
    before: Option<CurrentStatus>,
    after: Option<CurrentStatus>,
    event: &WorkerEvent,
) {
    let Some(before) = before else { return };
    let after = after.unwrap_or_else(|| panic!("{event:?} made a status vanish"));
    if (after.status, after.as_of) != (before.status, before.as_of) {
        assert!(after.as_of > before.as_of, "{before:?} then {after:?} by {event:?}");
        assert!(!before.status.is_terminal(), "{before:?} then {after:?} by {event:?}");
    }
}

#[test]
fn in_whatever_order_things_happen_time_goes_forward_and_what_is_final_stays() {
    let commands = [
        report(StatusType::Created, at(1)),
        report(StatusType::Initializing, at(2)),
        report(StatusType::Running, at(2)),
        report(StatusType::Running, at(NOW + 7)),
        report(StatusType::Complete, at(3)),
        report(StatusType::Complete, at(NOW - 1)),
        report(StatusType::Crashed, at(NOW + 8)),
        declare_lost(),
        declare_recovered(),
        WorkerCommand::Close { at: at(NOW), by: WorkerClosedBy::LostTooLong },
        WorkerCommand::Conclude { at: at(NOW) },
    ];
    explore(&replayed(vec![registered()]), &commands, 5);
}

#[test]
fn in_whatever_order_reports_arrive_the_newest_is_shown_and_a_final_one_for_good() {
    let life = [
        (StatusType::Created, at(1)),
        (StatusType::Initializing, at(2)),
        (StatusType::Running, at(3)),
    ];
    let shown = |reports: &[(StatusType, Instant)]| {
        let worker = reports.iter().fold(
            replayed::<Worker>(vec![registered()]),
            |mut worker, &(status, as_of)| {
                for event in worker.decide(report(status, as_of)).unwrap() {
                    worker.apply(event);
                }
                worker
            },
        );
        worker.status
    };
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut reports: Vec<_> = order.iter().map(|&arrival| life[arrival]).collect();
        let newest = CurrentStatus::observed(StatusType::Running, at(3));
        assert_eq!(shown(&reports), Some(newest), "{order:?}");

        for place in 0..=reports.len() {
            reports.insert(place, (StatusType::Complete, at(4)));
            let ended = CurrentStatus::observed(StatusType::Complete, at(4));
            assert_eq!(shown(&reports), Some(ended), "{reports:?}");
            reports.remove(place);
        }
    }
}
