//! How the log keeps the events.

use cqrs_es::Aggregate;

use super::*;
use crate::testing::assert_stored_as_sampled;
use crate::{Event, GameServerInstanceId};

#[test]
fn every_event_is_stored_as_its_sample_says() {
    let (requested_at, deadline, resolved_at) = (at(1), at(31), at(2));
    let (request_id, game_server_config_id) = (request(1), CONFIG);
    assert_stored_as_sampled::<Worker>(
        vec![
            registered_over(Surface::V1),
            WorkerEvent::WorkerRegistered {
                worker_id: WORKER,
                surface: Surface::Native,
                name: Some("atlas".to_owned()),
                registered_at: at(0),
            },
            WorkerEvent::AgentAttached {
                agent_id: Uuid::from_u128(0xa9e27),
                agent_version: "0.1.0".to_owned(),
                attached_at: at(0),
            },
            reported(StatusType::Created, at(1)),
            reported(StatusType::Initializing, at(2)),
            reported_with(Standing::Outdated, StatusType::Running, at(1)),
            reported_with(Standing::AfterTerminal, StatusType::Complete, at(3)),
            WorkerEvent::WorkerStatusReported {
                status: StatusType::Crashed,
                reported_as_of: at(3600),
                as_of: at(4),
                standing: Standing::Current,
            },
            lost(at(30)),
            WorkerEvent::WorkerLost { as_of: at(30), last_heartbeat_at: None },
            recovered(at(31), StatusType::Running),
            closed_by(WorkerClosedBy::Shutdown, at(60)),
            closed_by(WorkerClosedBy::SupersededBy(WorkerId(7)), at(60)),
            WorkerEvent::WorkerClosed {
                closed_at: at(60),
                by: WorkerClosedBy::LostTooLong,
                name: Some("atlas".to_owned()),
            },
            concluded(at(61)),
            WorkerEvent::StartRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            },
            WorkerEvent::StopRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            },
            WorkerEvent::StdinSent {
                request_id,
                game_server_config_id,
                game_server_instance_id: Some(GameServerInstanceId(12)),
                words: vec!["say".to_owned(), "caf\u{e9} \"x\"".to_owned()],
                requested_at,
                deadline,
            },
            WorkerEvent::StdinSent {
                request_id,
                game_server_config_id,
                game_server_instance_id: None,
                words: vec![],
                requested_at,
                deadline,
            },
            WorkerEvent::ShutdownRequested { request_id, requested_at, deadline },
            WorkerEvent::RequestFulfilled {
                request_id,
                game_server_instance_id: Some(GameServerInstanceId(12)),
                resolved_at,
            },
            WorkerEvent::RequestFulfilled {
                request_id,
                game_server_instance_id: None,
                resolved_at,
            },
            WorkerEvent::RequestRefused { request_id, reason: "no".to_owned(), resolved_at },
            WorkerEvent::RequestFailed { request_id, reason: "no".to_owned(), resolved_at },
            WorkerEvent::RequestTimedOut { request_id, resolved_at },
        ],
        Event::Worker,
    );
}

#[test]
fn a_worker_that_closed_before_names_were_claimed_gives_none_back() {
    let payload = r#"{"WorkerClosed":{"closed_at":"2026-01-02T03:05:05.678901Z","by":"shutdown"}}"#;
    let decoded = Event::decode(Worker::TYPE, "WorkerClosed", "1", payload).unwrap();
    assert_eq!(decoded, Event::Worker(closed()));
}
