//! Which events change the status shown for an entity, and to what. Read models and external
//! messages must agree on this, down to the status's id.

use domain::game_server_instance::InstanceEvent;
use domain::worker::WorkerEvent;
use domain::{Event, Instant, Standing, StatusType};
use messaging::contract::{EntityType, ExternalStatusInfo};
use uuid::Uuid;

use crate::decoded::Decoded;

/// The status an entity is shown with from an event on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownStatus {
    pub(crate) entity: EntityType,
    pub(crate) status: StatusType,
    pub(crate) as_of: Instant,
    /// Who says so, in v1's words: the entity itself, or the status processor.
    pub(crate) class_name: &'static str,
    pub(crate) status_info_id: i32,
    pub(crate) event_id: Uuid,
}

struct Change {
    status: StatusType,
    as_of: Instant,
    is_reported: bool,
}

impl ShownStatus {
    /// What the event changes the status to; `None` for most events, and for reports that came too late.
    pub(crate) fn after(event: &Decoded) -> Option<Self> {
        let (entity, change) = match &event.event {
            Event::Worker(event) => (EntityType::Worker, of_worker(event)?),
            Event::Instance(event) => (EntityType::GameServerInstance, of_instance(event)?),
            Event::GameServer(_)
            | Event::Config(_)
            | Event::Subscription(_)
            | Event::DeadLetter(_) => return None,
        };
        Some(Self {
            entity,
            status: change.status,
            as_of: change.as_of,
            class_name: if change.is_reported {
                entity.as_str()
            } else {
                ExternalStatusInfo::PROCESSOR_CLASS
            },
            status_info_id: status_info_id(event.position().0),
            event_id: event.recorded.event_id,
        })
    }
}

/// An id that v1 clients can hold: a signed 32-bit integer, unique among any two billion events.
fn status_info_id(position: i64) -> i32 {
    (position & i64::from(i32::MAX)) as i32
}

fn reported(status: StatusType, as_of: Instant, standing: Standing) -> Option<Change> {
    match standing {
        Standing::Current => Some(Change { status, as_of, is_reported: true }),
        Standing::Outdated | Standing::AfterTerminal => None,
    }
}

fn found(status: StatusType, as_of: Instant) -> Option<Change> {
    Some(Change { status, as_of, is_reported: false })
}

fn of_worker(event: &WorkerEvent) -> Option<Change> {
    match *event {
        WorkerEvent::WorkerStatusReported { status, as_of, standing, .. } => {
            reported(status, as_of, standing)
        }
        WorkerEvent::WorkerLost { as_of, .. } => found(StatusType::Lost, as_of),
        WorkerEvent::WorkerRecovered { as_of, status } => found(status, as_of),
        WorkerEvent::WorkerStatusConcluded { as_of } => found(StatusType::Complete, as_of),
        WorkerEvent::WorkerRegistered { .. }
        | WorkerEvent::AgentAttached { .. }
        | WorkerEvent::WorkerClosed { .. }
        | WorkerEvent::StartRequested { .. }
        | WorkerEvent::StopRequested { .. }
        | WorkerEvent::StdinSent { .. }
        | WorkerEvent::ShutdownRequested { .. }
        | WorkerEvent::RequestFulfilled { .. }
        | WorkerEvent::RequestRefused { .. }
        | WorkerEvent::RequestFailed { .. }
        | WorkerEvent::RequestTimedOut { .. } => None,
    }
}

fn of_instance(event: &InstanceEvent) -> Option<Change> {
    match *event {
        InstanceEvent::InstanceStatusReported { status, as_of, standing, .. } => {
            reported(status, as_of, standing)
        }
        InstanceEvent::InstanceLost { as_of, .. } => found(StatusType::Lost, as_of),
        InstanceEvent::InstanceRecovered { as_of, status } => found(status, as_of),
        InstanceEvent::InstanceStatusConcluded { as_of } => found(StatusType::Complete, as_of),
        // v1's subscribers know no progress.
        InstanceEvent::InstanceCreated { .. }
        | InstanceEvent::InstanceProgressed { .. }
        | InstanceEvent::InstanceClosed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::status_info_id;

    #[test]
    fn a_status_info_id_fits_a_signed_32_bit_integer_and_starts_over() {
        assert_eq!(status_info_id(1), 1);
        assert_eq!(status_info_id(i64::from(i32::MAX)), i32::MAX);
        assert_eq!(status_info_id(i64::from(i32::MAX) + 1), 0);
        assert_eq!(status_info_id((1 << 31) + 7), 7);
    }
}
