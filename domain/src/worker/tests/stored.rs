//! How the log keeps the events.

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
            closed_by(WorkerClosedBy::LostTooLong, at(60)),
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
