//! Reports older than what is shown: of an agent that was cut off, or of a clock that runs ahead.

use chrono::TimeDelta;

use super::*;
use crate::testing::{given, replayed};
use crate::{CurrentStatus, StatusReport};

fn report(status: StatusType, as_of: Instant) -> InstanceCommand {
    InstanceCommand::ReportStatus(StatusReport { status, as_of, received_at: at(NOW) }.into())
}

/// As it is recorded when it is shown as of another instant than it says.
fn shown_as_of(status: StatusType, reported_as_of: Instant, as_of: Instant) -> InstanceEvent {
    InstanceEvent::InstanceStatusReported {
        status,
        reported_as_of,
        as_of,
        standing: Standing::Current,
        detail: None,
    }
}

fn next(instant: Instant) -> Instant {
    instant + TimeDelta::microseconds(1)
}

/// Running since the tenth second, lost in the thirtieth, back in the sixty-first.
fn recovered_later() -> Vec<InstanceEvent> {
    [history(LostWithItsWorker), vec![recovered(StatusType::Running, at(61))]].concat()
}

#[test]
fn an_end_of_before_the_loss_is_shown_right_after_it() {
    for state in [LostWithItsWorker, LostBySilence, ClosedWhileLost] {
        for end in [StatusType::Crashed, StatusType::Complete] {
            given::<GameServerInstance>(history(state))
                .when(report(end, at(20)))
                .then_expect_events(vec![shown_as_of(end, at(20), next(at(30)))]);
        }
    }
    let end = shown_as_of(StatusType::Crashed, at(20), next(at(30)));
    let ended = replayed::<GameServerInstance>([history(LostBySilence), vec![end]].concat());
    let shown = CurrentStatus::observed(StatusType::Crashed, next(at(30)));
    assert_eq!((ended.status, ended.lost_by), (Some(shown), None));
}

#[test]
fn an_end_of_before_the_recovery_is_shown_right_after_it_and_its_detail_kept() {
    let status = StatusReport { status: StatusType::Crashed, as_of: at(40), received_at: at(NOW) };
    let detail = Some(StatusDetail { exit_code: Some(3), ..StatusDetail::default() });
    let report = InstanceReport { status, detail: detail.clone(), progress: None };
    given::<GameServerInstance>(recovered_later())
        .when(InstanceCommand::ReportStatus(report))
        .then_expect_events(vec![InstanceEvent::InstanceStatusReported {
            status: StatusType::Crashed,
            reported_as_of: at(40),
            as_of: next(at(61)),
            standing: Standing::Current,
            detail,
        }]);
}

#[test]
fn an_end_that_was_heard_of_late_stays() {
    let end = shown_as_of(StatusType::Crashed, at(20), next(at(30)));
    let ended = [history(LostWithItsWorker), vec![end, shut_down()]].concat();
    given::<GameServerInstance>(ended.clone())
        .when(report(StatusType::Complete, at(25)))
        .then_expect_events(vec![reported_with(
            Standing::AfterTerminal,
            StatusType::Complete,
            at(25),
        )]);
    for command in [
        InstanceCommand::Conclude { at: at(NOW) },
        InstanceCommand::DeclareRecovered { at: at(NOW) },
    ] {
        given::<GameServerInstance>(ended.clone()).when(command).then_expect_events(vec![]);
    }
}

#[test]
fn that_it_ran_before_it_was_lost_does_not_prove_that_it_lives() {
    for history in [history(LostWithItsWorker), history(LostBySilence)] {
        given::<GameServerInstance>(history)
            .when(report(StatusType::Running, at(20)))
            .then_expect_events(vec![reported_with(
                Standing::Outdated,
                StatusType::Running,
                at(20),
            )]);
    }
}

#[test]
fn a_recovery_returns_to_what_was_heard_late() {
    let came_up = |as_of| vec![created(), reported(StatusType::Created, at(10)), lost_at(as_of)];
    let late = |status, as_of| reported_with(Standing::Outdated, status, as_of);
    let [initializing, running] = [(StatusType::Initializing, 20), (StatusType::Running, 25)]
        .map(|(status, seconds)| late(status, at(seconds)));
    let declare = || InstanceCommand::DeclareRecovered { at: at(NOW) };
    given::<GameServerInstance>(
        [came_up(at(30)), vec![initializing.clone(), running.clone()]].concat(),
    )
    .when(declare())
    .then_expect_events(vec![recovered(StatusType::Running, at(NOW))]);
    // What its reporter has said otherwise since is no news.
    given::<GameServerInstance>([came_up(at(30)), vec![running, initializing]].concat())
        .when(declare())
        .then_expect_events(vec![recovered(StatusType::Running, at(NOW))]);
}

#[test]
fn after_a_recovery_news_from_before_it_is_shown_right_after_it() {
    given::<GameServerInstance>(recovered_later())
        .when(report(StatusType::Running, at(10)))
        .then_expect_events(vec![reported_with(Standing::Outdated, StatusType::Running, at(10))]);
    let recovered = vec![
        created(),
        reported(StatusType::Created, at(10)),
        lost_at(at(30)),
        recovered(StatusType::Created, at(61)),
    ];
    given::<GameServerInstance>(recovered)
        .when(report(StatusType::Running, at(20)))
        .then_expect_events(vec![shown_as_of(StatusType::Running, at(20), next(at(61)))]);
}

fn lost_at(as_of: Instant) -> InstanceEvent {
    lost(InstanceLostBy::Worker, as_of)
}

#[test]
fn an_end_that_its_reporter_has_contradicted_since_is_outdated() {
    let outdated = |as_of| vec![reported_with(Standing::Outdated, StatusType::Crashed, as_of)];
    for as_of in [at(9), at(10)] {
        for state in [Running, LostWithItsWorker] {
            given::<GameServerInstance>(history(state))
                .when(report(StatusType::Crashed, as_of))
                .then_expect_events(outdated(as_of));
        }
    }
    // What came too late to be shown was said nevertheless.
    let ran = reported_with(Standing::Outdated, StatusType::Running, at(20));
    given::<GameServerInstance>([history(LostBySilence), vec![ran]].concat())
        .when(report(StatusType::Crashed, at(20)))
        .then_expect_events(outdated(at(20)));
}

#[test]
fn of_a_clock_that_runs_ahead_reports_received_at_one_instant_count_in_its_order() {
    let ahead = |seconds| at(NOW + 3_600 + seconds);
    let mut instance = replayed::<GameServerInstance>(vec![created()]);
    let mut told = Vec::new();
    for (status, as_of) in [
        (StatusType::Created, ahead(0)),
        (StatusType::Initializing, ahead(1)),
        (StatusType::Running, ahead(2)),
        (StatusType::Initializing, ahead(1)),
        (StatusType::Complete, ahead(3)),
    ] {
        for event in instance.decide(report(status, as_of)).unwrap() {
            told.push(event.clone());
            cqrs_es::Aggregate::apply(&mut instance, event);
        }
    }
    let place = |place: i64| at(NOW) + TimeDelta::microseconds(place);
    let overtaken = InstanceEvent::InstanceStatusReported {
        status: StatusType::Initializing,
        reported_as_of: ahead(1),
        as_of: at(NOW),
        standing: Standing::Outdated,
        detail: None,
    };
    assert_eq!(
        told,
        [
            shown_as_of(StatusType::Created, ahead(0), place(0)),
            shown_as_of(StatusType::Initializing, ahead(1), place(1)),
            shown_as_of(StatusType::Running, ahead(2), place(2)),
            overtaken,
            shown_as_of(StatusType::Complete, ahead(3), place(3)),
        ]
    );
}

#[test]
fn a_clock_that_was_put_right_is_believed_from_then_on() {
    let was_ahead = shown_as_of(StatusType::Running, at(3_600), at(10));
    let right = reported(StatusType::Running, at(20));
    given::<GameServerInstance>(vec![
        created(),
        was_ahead,
        right,
        lost(InstanceLostBy::Worker, at(30)),
    ])
    .when(report(StatusType::Crashed, at(25)))
    .then_expect_events(vec![shown_as_of(StatusType::Crashed, at(25), next(at(30)))]);
}

#[test]
fn a_snapshot_of_before_reporters_were_remembered_is_read_and_believes_an_end() {
    let instance = replayed::<GameServerInstance>(history(LostWithItsWorker));
    let mut snapshot = serde_json::to_value(&instance).unwrap();
    snapshot.as_object_mut().unwrap().remove("reported_as_of").unwrap();
    let read = serde_json::from_value::<GameServerInstance>(snapshot).unwrap();
    assert_eq!(read, GameServerInstance { reported_as_of: None, ..instance });
    assert_eq!(
        read.decide(report(StatusType::Crashed, at(20))),
        Ok(vec![shown_as_of(StatusType::Crashed, at(20), next(at(30)))])
    );
}
