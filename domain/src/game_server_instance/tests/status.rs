//! Reports, loss and recovery.

use cqrs_es::Aggregate;

use super::*;
use crate::testing::{given, replayed};
use crate::{CurrentStatus, StatusReport};

fn report(status: StatusType, as_of: Instant) -> InstanceCommand {
    InstanceCommand::ReportStatus(StatusReport { status, as_of, received_at: at(NOW) }.into())
}

fn declare_lost(by: InstanceLostBy) -> InstanceCommand {
    InstanceCommand::DeclareLost { at: at(NOW), by, last_heartbeat_at: Some(at(25)) }
}

fn declare_recovered() -> InstanceCommand {
    InstanceCommand::DeclareRecovered { at: at(NOW) }
}

#[test]
fn the_final_report_counts_though_the_shutdown_came_first() {
    when_in_every_state(
        || report(StatusType::Crashed, at(90)),
        |state| {
            let recorded =
                |standing| Ok(vec![reported_with(standing, StatusType::Crashed, at(90))]);
            match state {
                Unborn => Err(InstanceRefusal::NotFound),
                OpenWithoutStatus
                | Running
                | LostWithItsWorker
                | LostBySilence
                | ClosedWithoutStatus
                | ClosedWhileRunning
                | ClosedWhileLost
                | ClosedWithItsWorkerWithoutStatus => recorded(Standing::Current),
                Complete | Crashed | ClosedThenComplete | ClosedWithItsWorker => {
                    recorded(Standing::AfterTerminal)
                }
            }
        },
    );
}

#[test]
fn a_report_older_than_what_is_shown_is_recorded_as_outdated() {
    when_in_every_state(
        || report(StatusType::Created, at(5)),
        |state| {
            let recorded = |standing| Ok(vec![reported_with(standing, StatusType::Created, at(5))]);
            match state {
                Unborn => Err(InstanceRefusal::NotFound),
                OpenWithoutStatus | ClosedWithoutStatus | ClosedWithItsWorkerWithoutStatus => {
                    recorded(Standing::Current)
                }
                Running | LostWithItsWorker | LostBySilence | ClosedWhileRunning
                | ClosedWhileLost => recorded(Standing::Outdated),
                Complete | Crashed | ClosedThenComplete | ClosedWithItsWorker => {
                    recorded(Standing::AfterTerminal)
                }
            }
        },
    );
}

#[test]
fn a_report_from_the_future_counts_from_its_receipt_and_keeps_what_was_sent() {
    given::<GameServerInstance>(history(Running))
        .when(report(StatusType::Complete, at(NOW + 3600)))
        .then_expect_events(vec![InstanceEvent::InstanceStatusReported {
            status: StatusType::Complete,
            reported_as_of: at(NOW + 3600),
            as_of: at(NOW),
            standing: Standing::Current,
            detail: None,
        }]);
}

#[test]
fn nobody_reports_lost() {
    when_in_every_state(
        || report(StatusType::Lost, at(90)),
        |state| match state {
            Unborn => Err(InstanceRefusal::NotFound),
            OpenWithoutStatus
            | Running
            | LostWithItsWorker
            | LostBySilence
            | Complete
            | Crashed
            | ClosedWithoutStatus
            | ClosedWhileRunning
            | ClosedWhileLost
            | ClosedThenComplete
            | ClosedWithItsWorker
            | ClosedWithItsWorkerWithoutStatus => Err(InstanceRefusal::LostReported),
        },
    );
}

#[test]
fn only_an_open_instance_with_a_status_that_is_not_final_is_lost_and_only_once() {
    for by in [InstanceLostBy::Worker, InstanceLostBy::Silence] {
        when_in_every_state(
            || declare_lost(by),
            |state| match state {
                Unborn => Err(InstanceRefusal::NotFound),
                Running => Ok(vec![lost(by, at(NOW))]),
                OpenWithoutStatus
                | LostWithItsWorker
                | LostBySilence
                | Complete
                | Crashed
                | ClosedWithoutStatus
                | ClosedWhileRunning
                | ClosedWhileLost
                | ClosedThenComplete
                | ClosedWithItsWorker
                | ClosedWithItsWorkerWithoutStatus => Ok(vec![]),
            },
        );
    }
}

#[test]
fn only_an_open_instance_recovers_and_to_what_it_showed_before() {
    when_in_every_state(declare_recovered, |state| match state {
        Unborn => Err(InstanceRefusal::NotFound),
        LostWithItsWorker | LostBySilence => Ok(vec![recovered(StatusType::Running, at(NOW))]),
        OpenWithoutStatus
        | Running
        | Complete
        | Crashed
        | ClosedWithoutStatus
        | ClosedWhileRunning
        | ClosedWhileLost
        | ClosedThenComplete
        | ClosedWithItsWorker
        | ClosedWithItsWorkerWithoutStatus => Ok(vec![]),
    });

    let initializing = vec![created(), reported(StatusType::Initializing, at(10))];
    given::<GameServerInstance>(
        [initializing, vec![lost(InstanceLostBy::Worker, at(30))]].concat(),
    )
    .when(declare_recovered())
    .then_expect_events(vec![recovered(StatusType::Initializing, at(NOW))]);
}

#[test]
fn why_it_is_lost_is_known_while_it_is() {
    let lost = replayed::<GameServerInstance>(history(LostBySilence));
    assert_eq!(lost.lost_by, Some(InstanceLostBy::Silence));

    for end in [
        recovered(StatusType::Running, at(50)),
        reported(StatusType::Running, at(50)),
        concluded(at(50)),
    ] {
        let mut instance = lost.clone();
        instance.apply(end);
        assert_eq!(instance.lost_by, None);
    }
}

/// Goes through every sequence of `depth` of these commands, from the state `instance` is in.
fn explore(instance: &GameServerInstance, commands: &[InstanceCommand], depth: usize) {
    if depth == 0 {
        return;
    }
    for command in commands {
        let mut next = instance.clone();
        for event in instance.decide(command.clone()).unwrap_or_default() {
            let before = next.status;
            next.apply(event.clone());
            assert_moves_forward(before, next.status, &event);
            let is_lost = next.status.is_some_and(|shown| shown.is_lost());
            assert_eq!(next.lost_by.is_some(), is_lost, "{next:?}");
        }
        explore(&next, commands, depth - 1);
    }
}

fn assert_moves_forward(
    before: Option<CurrentStatus>,
    after: Option<CurrentStatus>,
    event: &InstanceEvent,
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
        report(StatusType::Running, at(2)),
        report(StatusType::Running, at(NOW + 7)),
        report(StatusType::Complete, at(3)),
        report(StatusType::Complete, at(NOW - 1)),
        report(StatusType::Crashed, at(NOW + 8)),
        declare_lost(InstanceLostBy::Worker),
        declare_lost(InstanceLostBy::Silence),
        declare_recovered(),
        close(InstanceClosedBy::Shutdown, at(NOW)),
        close(InstanceClosedBy::WorkerClosed, at(NOW)),
        InstanceCommand::Conclude { at: at(NOW) },
    ];
    explore(&replayed(vec![created()]), &commands, 5);
}
