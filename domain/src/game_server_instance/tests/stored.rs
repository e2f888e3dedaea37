//! How the log keeps the events.

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
