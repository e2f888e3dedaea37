//! Reports older than what is shown: of an agent that was cut off, or of a clock that runs ahead.

use chrono::TimeDelta;

use super::*;
use crate::StatusReport;
use crate::testing::{given, replayed};

fn report(status: StatusType, as_of: Instant) -> WorkerCommand {
    WorkerCommand::ReportStatus(StatusReport { status, as_of, received_at: at(NOW) })
}

/// As it is recorded when it is shown as of another instant than it says.
fn shown_as_of(status: StatusType, reported_as_of: Instant, as_of: Instant) -> WorkerEvent {
    WorkerEvent::WorkerStatusReported { status, reported_as_of, as_of, standing: Standing::Current }
}

fn next(instant: Instant) -> Instant {
    instant + TimeDelta::microseconds(1)
}

fn recovered_later() -> Vec<WorkerEvent> {
    [history(LostWhileRunning), vec![recovered(at(61), StatusType::Running)]].concat()
}

#[test]
fn an_end_of_before_a_loss_or_recovery_is_shown_right_after_it_and_stays() {
    for (history, observed) in [
        (history(LostWithoutStatus), at(30)),
        (history(LostWhileRunning), at(30)),
        (recovered_later(), at(61)),
    ] {
        let end = shown_as_of(StatusType::Complete, at(20), next(observed));
        given::<Worker>(history.clone())
            .when(report(StatusType::Complete, at(20)))
            .then_expect_events(vec![end.clone()]);
        given::<Worker>([history, vec![end]].concat())
            .when(report(StatusType::Running, at(90)))
            .then_expect_events(vec![reported_with(
                Standing::AfterTerminal,
                StatusType::Running,
                at(90),
            )]);
    }
}

#[test]
fn that_it_ran_before_it_was_lost_does_not_prove_that_it_lives() {
    for history in [history(LostWithoutStatus), history(LostWhileRunning)] {
        given::<Worker>(history).when(report(StatusType::Running, at(20))).then_expect_events(
            vec![reported_with(Standing::Outdated, StatusType::Running, at(20))],
        );
    }
}

#[test]
fn a_recovery_returns_to_what_was_heard_late_and_later_news_is_shown_after_it() {
    let lost = vec![registered(), reported(StatusType::Created, at(10)), lost(at(30))];
    let late = reported_with(Standing::Outdated, StatusType::Initializing, at(20));
    let recovery = recovered(at(NOW), StatusType::Initializing);
    given::<Worker>([lost.clone(), vec![late.clone()]].concat())
        .when(WorkerCommand::DeclareRecovered { at: at(NOW) })
        .then_expect_events(vec![recovery.clone()]);
    given::<Worker>([lost, vec![late, recovery]].concat())
        .when(report(StatusType::Running, at(25)))
        .then_expect_events(vec![shown_as_of(StatusType::Running, at(25), next(at(NOW)))]);
}

#[test]
fn an_end_that_its_reporter_has_contradicted_since_is_outdated() {
    for as_of in [at(9), at(10)] {
        for state in [Running, LostWhileRunning, ClosedWhileRunning] {
            given::<Worker>(history(state))
                .when(report(StatusType::Complete, as_of))
                .then_expect_events(vec![reported_with(
                    Standing::Outdated,
                    StatusType::Complete,
                    as_of,
                )]);
        }
    }
}

#[test]
fn of_a_clock_that_runs_ahead_reports_received_at_one_instant_count_in_its_order() {
    let ahead = |seconds| at(NOW + 3_600 + seconds);
    let created = shown_as_of(StatusType::Created, ahead(0), at(NOW));
    given::<Worker>(vec![registered(), created.clone()])
        .when(report(StatusType::Running, ahead(1)))
        .then_expect_events(vec![shown_as_of(StatusType::Running, ahead(1), next(at(NOW)))]);
    let running = shown_as_of(StatusType::Running, ahead(1), next(at(NOW)));
    given::<Worker>(vec![registered(), created, running])
        .when(report(StatusType::Created, ahead(0)))
        .then_expect_events(vec![WorkerEvent::WorkerStatusReported {
            status: StatusType::Created,
            reported_as_of: ahead(0),
            as_of: at(NOW),
            standing: Standing::Outdated,
        }]);
}

#[test]
fn a_snapshot_of_before_reporters_were_remembered_is_read_and_believes_an_end() {
    let worker = replayed::<Worker>(history(LostWhileRunning));
    let mut snapshot = serde_json::to_value(&worker).unwrap();
    snapshot.as_object_mut().unwrap().remove("reported_as_of").unwrap();
    let read = serde_json::from_value::<Worker>(snapshot).unwrap();
    assert_eq!(read, Worker { reported_as_of: None, ..worker });
    assert_eq!(
        read.decide(report(StatusType::Crashed, at(20))),
        Ok(vec![shown_as_of(StatusType::Crashed, at(20), next(at(30)))])
    );
}
