//! Asking and outcomes.

use cqrs_es::Aggregate;

use super::*;
use crate::GameServerInstanceId;
use crate::testing::{given, replayed};
use crate::worker::{Outcome, PendingRequest, Request, RequestSummary};

const DEADLINE: i64 = NOW + 30;

fn ask(request_id: RequestId, request: Request) -> WorkerCommand {
    WorkerCommand::Request { request_id, request, at: at(NOW), deadline: at(DEADLINE) }
}

fn start() -> Request {
    Request::Start { game_server_config_id: CONFIG }
}

fn stdin(words: &[&str]) -> Request {
    Request::Stdin {
        game_server_config_id: CONFIG,
        game_server_instance_id: Some(GameServerInstanceId(12)),
        words: words.iter().map(|&word| word.to_owned()).collect(),
    }
}

/// Every request, with the event that records it and what stays of it until its outcome.
fn all_requests(request_id: RequestId) -> [(Request, WorkerEvent, RequestSummary); 4] {
    let (requested_at, deadline) = (at(NOW), at(DEADLINE));
    let game_server_config_id = CONFIG;
    let game_server_instance_id = Some(GameServerInstanceId(12));
    [
        (
            start(),
            WorkerEvent::StartRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            },
            RequestSummary::Start { game_server_config_id },
        ),
        (
            Request::Stop { game_server_config_id },
            WorkerEvent::StopRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            },
            RequestSummary::Stop { game_server_config_id },
        ),
        (
            stdin(&["changelevel", "de_nuke"]),
            WorkerEvent::StdinSent {
                request_id,
                game_server_config_id,
                game_server_instance_id,
                words: vec!["changelevel".to_owned(), "de_nuke".to_owned()],
                requested_at,
                deadline,
            },
            RequestSummary::Stdin { game_server_config_id, game_server_instance_id },
        ),
        (
            Request::Shutdown,
            WorkerEvent::ShutdownRequested { request_id, requested_at, deadline },
            RequestSummary::Shutdown,
        ),
    ]
}

/// A history with requests 1 to 4, one of each kind, pending.
fn all_pending(state: State) -> Vec<WorkerEvent> {
    let asked = (1..).zip(0..4).map(|(number, kind)| {
        let [start, stop, stdin, shutdown] = all_requests(request(number));
        [start.1, stop.1, stdin.1, shutdown.1][kind].clone()
    });
    history(state).into_iter().chain(asked).collect()
}

fn fulfilled(request_id: RequestId) -> WorkerEvent {
    WorkerEvent::RequestFulfilled {
        request_id,
        game_server_instance_id: None,
        resolved_at: at(NOW),
    }
}

fn failed(request_id: RequestId) -> WorkerEvent {
    WorkerEvent::RequestFailed {
        request_id,
        reason: "the worker was closed".to_owned(),
        resolved_at: at(NOW),
    }
}

#[test]
fn anything_may_be_asked_of_an_open_worker_whatever_its_status() {
    for (asked, recorded, _) in all_requests(request(1)) {
        when_in_every_state(
            || ask(request(1), asked.clone()),
            |state| match state {
                Unborn => Err(WorkerRefusal::NotFound),
                OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
                | Crashed => Ok(vec![recorded.clone()]),
                ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete | ClosedWhileLost => {
                    Err(gone())
                }
            },
        );
    }
}

#[test]
fn a_request_is_pending_until_its_outcome() {
    for (_, recorded, summary) in all_requests(request(1)) {
        let mut worker = replayed::<Worker>([history(Running), vec![recorded]].concat());
        let pending = PendingRequest { summary, requested_at: at(NOW), deadline: at(DEADLINE) };
        assert_eq!(worker.pending.get(&request(1)), Some(&pending));

        worker.apply(fulfilled(request(1)));
        assert!(worker.pending.is_empty());
    }
}

#[test]
fn a_pending_request_asked_again_is_the_same_request() {
    for again in all_requests(request(1)).map(|(asked, ..)| asked) {
        given::<Worker>(all_pending(Running))
            .when(ask(request(1), again))
            .then_expect_events(vec![]);
    }
}

#[test]
fn pending_requests_survive_a_snapshot() {
    let worker = replayed::<Worker>(all_pending(Running));
    let snapshot = serde_json::to_string(&worker).unwrap();

    assert_eq!(serde_json::from_str::<Worker>(&snapshot).unwrap(), worker);
}

#[test]
fn control_characters_are_never_sent_to_a_console() {
    for surface in [Surface::V1, Surface::Native] {
        for word in ["say\nquit", "say\r", "\u{1b}[2J", "del\u{7f}", "tab\t", "nul\0", "c1\u{85}"] {
            given::<Worker>(vec![registered_over(surface)])
                .when(ask(request(1), stdin(&["say", word])))
                .then_expect_error(WorkerRefusal::ControlCharacters { word: word.to_owned() });
        }
    }
}

#[test]
fn words_beyond_ascii_are_kept_from_v1_workers_and_sent_to_native_ones() {
    let words = ["say", "caf\u{e9}"];
    given::<Worker>(vec![registered_over(Surface::V1)])
        .when(ask(request(1), stdin(&words)))
        .then_expect_error(WorkerRefusal::NotAscii { word: words[1].to_owned() });

    let sent = replayed::<Worker>(vec![registered_over(Surface::Native)])
        .decide(ask(request(1), stdin(&words)))
        .unwrap();
    assert!(matches!(&sent[..], [WorkerEvent::StdinSent { words: sent, .. }] if sent == &words));
}

#[test]
fn no_words_at_all_are_words_as_in_v1() {
    let sent = replayed::<Worker>(history(Running)).decide(ask(request(1), stdin(&[]))).unwrap();
    assert!(matches!(&sent[..], [WorkerEvent::StdinSent { words, .. }] if words.is_empty()));
}

#[test]
fn every_outcome_of_a_pending_request_is_recorded_also_when_the_worker_is_lost() {
    let (request_id, resolved_at) = (request(1), at(NOW));
    let instance = Some(GameServerInstanceId(12));
    let reason = || "no such map".to_owned();
    let outcomes = [
        (
            Outcome::Fulfilled { game_server_instance_id: instance },
            WorkerEvent::RequestFulfilled {
                request_id,
                game_server_instance_id: instance,
                resolved_at,
            },
        ),
        (
            Outcome::Refused { reason: reason() },
            WorkerEvent::RequestRefused { request_id, reason: reason(), resolved_at },
        ),
        (
            Outcome::Failed { reason: reason() },
            WorkerEvent::RequestFailed { request_id, reason: reason(), resolved_at },
        ),
        (Outcome::TimedOut, WorkerEvent::RequestTimedOut { request_id, resolved_at }),
    ];
    for state in [OpenWithoutStatus, Running, LostWithoutStatus, LostWhileRunning, Complete] {
        for (outcome, recorded) in outcomes.clone() {
            let mut worker = replayed::<Worker>(all_pending(state));
            let resolve =
                || WorkerCommand::Resolve { request_id, outcome: outcome.clone(), at: resolved_at };
            assert_eq!(worker.decide(resolve()), Ok(vec![recorded.clone()]), "{state:?}");

            worker.apply(recorded);
            assert_eq!(worker.decide(resolve()), Ok(vec![]), "a second outcome, {state:?}");
            assert_eq!(worker.pending.len(), 3);
        }
    }
}

#[test]
fn an_outcome_of_nothing_pending_is_no_event() {
    when_in_every_state(
        || WorkerCommand::Resolve {
            request_id: request(1),
            outcome: Outcome::TimedOut,
            at: at(NOW),
        },
        |state| match state {
            Unborn => Err(WorkerRefusal::NotFound),
            OpenWithoutStatus | Running | LostWithoutStatus | LostWhileRunning | Complete
            | Crashed | ClosedWithoutStatus | ClosedWhileRunning | ClosedThenComplete
            | ClosedWhileLost => Ok(vec![]),
        },
    );
}

#[test]
fn a_reason_is_cut_and_cleaned_rather_than_refused_so_that_every_outcome_counts() {
    let told = format!("\0{}", "x".repeat(3_000));
    let kept = format!("\u{fffd}{}", "x".repeat(1_999));
    let (request_id, resolved_at) = (request(1), at(NOW));
    for (outcome, event) in [
        (
            Outcome::Refused { reason: told.clone() },
            WorkerEvent::RequestRefused { request_id, reason: kept.clone(), resolved_at },
        ),
        (
            Outcome::Failed { reason: told },
            WorkerEvent::RequestFailed { request_id, reason: kept, resolved_at },
        ),
    ] {
        given::<Worker>(all_pending(Running))
            .when(WorkerCommand::Resolve { request_id, outcome, at: at(NOW) })
            .then_expect_events(vec![event]);
    }
}

#[test]
fn a_goodbye_fails_what_is_pending_and_fulfils_a_shutdown() {
    given::<Worker>(all_pending(Running))
        .when(WorkerCommand::Close { at: at(NOW), by: WorkerClosedBy::Shutdown })
        .then_expect_events(vec![
            closed_by(WorkerClosedBy::Shutdown, at(NOW)),
            failed(request(1)),
            failed(request(2)),
            failed(request(3)),
            fulfilled(request(4)),
        ]);
}

#[test]
fn any_other_end_fails_a_shutdown_too() {
    for by in [WorkerClosedBy::SupersededBy(WorkerId(7)), WorkerClosedBy::LostTooLong] {
        let mut worker = replayed::<Worker>(all_pending(LostWhileRunning));
        let events = worker.decide(WorkerCommand::Close { at: at(NOW), by }).unwrap();
        assert_eq!(
            events,
            vec![
                closed_by(by, at(NOW)),
                concluded(at(NOW)),
                failed(request(1)),
                failed(request(2)),
                failed(request(3)),
                failed(request(4)),
            ]
        );

        events.into_iter().for_each(|event| worker.apply(event));
        assert!(worker.pending.is_empty());
    }
}
