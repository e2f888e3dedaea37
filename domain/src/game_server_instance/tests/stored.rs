//! How the log keeps the events.

use cqrs_es::Aggregate;

use super::*;
use crate::Event;
use crate::testing::assert_stored_as_sampled;

#[test]
fn every_event_is_stored_as_its_sample_says() {
    assert_stored_as_sampled::<GameServerInstance>(
        vec![
            created(),
            reported(StatusType::Created, at(1)),
            reported_with(Standing::Outdated, StatusType::Initializing, at(1)),
            reported_with(Standing::AfterTerminal, StatusType::Running, at(2)),
            InstanceEvent::InstanceStatusReported {
                status: StatusType::Crashed,
                reported_as_of: at(3600),
                as_of: at(3),
                standing: Standing::Current,
                detail: Some(StatusDetail {
                    pid: Some(4711),
                    reason: Some("exited with code 3".to_owned()),
                    exit_code: Some(3),
                    signal: Some(9),
                    last_lines: vec!["tick".to_owned(), "caf\u{e9} \"x\"".to_owned()],
                }),
            },
            InstanceEvent::InstanceStatusReported {
                status: StatusType::Running,
                reported_as_of: at(4),
                as_of: at(4),
                standing: Standing::Current,
                detail: Some(StatusDetail::default()),
            },
            InstanceEvent::InstanceProgressed {
                phase: "downloading".to_owned(),
                percent: Some(41),
                bytes_done: Some(412_316_860),
                bytes_total: Some(1_005_650_144),
                as_of: at(5),
            },
            InstanceEvent::InstanceProgressed {
                phase: "validating".to_owned(),
                percent: None,
                bytes_done: None,
                bytes_total: None,
                as_of: at(6),
            },
            lost(InstanceLostBy::Worker, at(30)),
            InstanceEvent::InstanceLost {
                as_of: at(30),
                by: InstanceLostBy::Silence,
                last_heartbeat_at: None,
            },
            recovered(StatusType::Running, at(31)),
            closed(InstanceClosedBy::Shutdown, at(60)),
            closed(InstanceClosedBy::WorkerClosed, at(60)),
            concluded(at(61)),
        ],
        Event::Instance,
    );
}

#[test]
fn a_report_of_before_details_has_none() {
    let payload = r#"{"InstanceStatusReported":{"status":"CREATED","reported_as_of":"2026-01-02T03:04:06.678901Z","as_of":"2026-01-02T03:04:06.678901Z","standing":"current"}}"#;
    let event_type = "InstanceStatusReported";
    let decoded = Event::decode(GameServerInstance::TYPE, event_type, "1", payload).unwrap();
    assert_eq!(decoded, Event::Instance(reported(StatusType::Created, at(1))));
}
