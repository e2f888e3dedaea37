//! What is told with a status, and how far an installation has come.

use super::*;
use crate::StatusReport;
use crate::testing::{given, replayed};

fn report(
    status: StatusType,
    as_of: Instant,
    detail: Option<StatusDetail>,
    progress: Option<Progress>,
) -> InstanceCommand {
    let status = StatusReport { status, as_of, received_at: at(NOW) };
    InstanceCommand::ReportStatus(InstanceReport { status, detail, progress })
}

fn downloading(percent: u8) -> Progress {
    Progress {
        phase: "downloading".to_owned(),
        percent: Some(percent),
        bytes_done: Some(1),
        bytes_total: Some(2),
    }
}

fn progress(percent: u8, as_of: Instant) -> InstanceCommand {
    report(StatusType::Initializing, as_of, None, Some(downloading(percent)))
}

fn progressed(percent: u8, as_of: Instant) -> InstanceEvent {
    InstanceEvent::InstanceProgressed {
        phase: "downloading".to_owned(),
        percent: Some(percent),
        bytes_done: Some(1),
        bytes_total: Some(2),
        as_of,
    }
}

fn told(status: StatusType, as_of: Instant, detail: StatusDetail) -> InstanceEvent {
    InstanceEvent::InstanceStatusReported {
        status,
        reported_as_of: as_of,
        as_of,
        standing: Standing::Current,
        detail: Some(detail),
    }
}

fn crash(reason: &str) -> StatusDetail {
    StatusDetail { exit_code: Some(3), reason: Some(reason.to_owned()), ..StatusDetail::default() }
}

/// Initializing since the tenth second.
fn initializing() -> Vec<InstanceEvent> {
    vec![created(), reported(StatusType::Initializing, at(10))]
}

#[test]
fn a_detail_is_recorded_with_its_status() {
    let detail = crash("exited with code 3");
    given::<GameServerInstance>(history(State::Running))
        .when(report(StatusType::Crashed, at(90), Some(detail.clone()), None))
        .then_expect_events(vec![told(StatusType::Crashed, at(90), detail)]);
}

#[test]
fn a_detail_is_cut_and_cleaned_rather_than_refused() {
    let lines = |range: std::ops::Range<usize>| range.map(|line| format!("line {line}"));
    let detail = StatusDetail {
        reason: Some(format!("\0{}", "r".repeat(2_000))),
        last_lines: lines(0..60).chain(["\0".repeat(501)]).collect(),
        ..StatusDetail::default()
    };
    let kept = StatusDetail {
        reason: Some(format!("\u{fffd}{}", "r".repeat(1_999))),
        last_lines: lines(11..60).chain(["\u{fffd}".repeat(500)]).collect(),
        ..StatusDetail::default()
    };
    given::<GameServerInstance>(history(State::Running))
        .when(report(StatusType::Crashed, at(90), Some(detail), None))
        .then_expect_events(vec![told(StatusType::Crashed, at(90), kept)]);
}

#[test]
fn progress_is_its_own_event_only_while_the_instance_is_initializing() {
    given::<GameServerInstance>(initializing())
        .when(progress(41, at(20)))
        .then_expect_events(vec![progressed(41, at(20))]);
    when_in_every_state(
        || progress(41, at(90)),
        |state| {
            let reported = |standing| reported_with(standing, StatusType::Initializing, at(90));
            match state {
                State::Unborn => Err(InstanceRefusal::NotFound),
                State::OpenWithoutStatus
                | State::Running
                | State::LostWithItsWorker
                | State::LostBySilence
                | State::ClosedWithoutStatus
                | State::ClosedWhileRunning
                | State::ClosedWhileLost
                | State::ClosedWithItsWorkerWithoutStatus => {
                    Ok(vec![reported(Standing::Current), progressed(41, at(90))])
                }
                State::Complete
                | State::Crashed
                | State::ClosedThenComplete
                | State::ClosedWithItsWorker => Ok(vec![reported(Standing::AfterTerminal)]),
            }
        },
    );
}

#[test]
fn progress_from_before_the_status_is_an_outdated_status() {
    given::<GameServerInstance>(initializing()).when(progress(41, at(5))).then_expect_events(vec![
        reported_with(Standing::Outdated, StatusType::Initializing, at(5)),
    ]);
    given::<GameServerInstance>(initializing())
        .when(progress(41, at(10)))
        .then_expect_events(vec![progressed(41, at(10))]);
}

#[test]
fn progress_that_was_overtaken_tells_nothing() {
    let history = [initializing(), vec![progressed(50, at(30))]].concat();
    given::<GameServerInstance>(history.clone())
        .when(progress(41, at(29)))
        .then_expect_events(vec![]);
    given::<GameServerInstance>(history.clone())
        .when(progress(51, at(30)))
        .then_expect_events(vec![progressed(51, at(30))]);
    // Another attempt begins anew.
    let again = [history, vec![reported(StatusType::Running, at(40))]].concat();
    assert_eq!(replayed::<GameServerInstance>(again).progressed_at, None);
}

#[test]
fn progress_from_the_future_counts_from_its_receipt() {
    given::<GameServerInstance>(initializing())
        .when(progress(41, at(NOW + 3600)))
        .then_expect_events(vec![progressed(41, at(NOW))]);
}

#[test]
fn progress_with_something_else_to_tell_is_a_status_too() {
    let detail = crash("attempt 1 failed, trying again");
    given::<GameServerInstance>(initializing())
        .when(report(StatusType::Initializing, at(20), Some(detail.clone()), Some(downloading(0))))
        .then_expect_events(vec![
            told(StatusType::Initializing, at(20), detail),
            progressed(0, at(20)),
        ]);
}

#[test]
fn progress_with_another_status_means_nothing() {
    given::<GameServerInstance>(initializing())
        .when(report(StatusType::Running, at(20), None, Some(downloading(100))))
        .then_expect_events(vec![reported(StatusType::Running, at(20))]);
}

#[test]
fn a_phase_is_cut_and_a_percentage_ends_at_a_hundred() {
    let odd = Progress { phase: "p".repeat(51), percent: Some(255), ..downloading(0) };
    given::<GameServerInstance>(initializing())
        .when(report(StatusType::Initializing, at(20), None, Some(odd)))
        .then_expect_events(vec![InstanceEvent::InstanceProgressed {
            phase: "p".repeat(50),
            percent: Some(100),
            bytes_done: Some(1),
            bytes_total: Some(2),
            as_of: at(20),
        }]);
}

#[test]
fn a_snapshot_of_before_progress_is_read() {
    let instance = replayed::<GameServerInstance>(initializing());
    let mut snapshot = serde_json::to_value(&instance).unwrap();
    snapshot.as_object_mut().unwrap().remove("progressed_at").unwrap();
    assert_eq!(serde_json::from_value::<GameServerInstance>(snapshot).unwrap(), instance);
}
