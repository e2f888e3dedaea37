//! An event read from the log and understood.

use std::num::ParseIntError;

use domain::Event;
use domain::worker::WorkerEvent;
use event_store::{ActorKind, Metadata, Position, RecordedEvent};

/// An event of the log with what its readers here need, decoded once for all of them.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) recorded: RecordedEvent,
    pub(crate) event: Event,
    /// The aggregate's id where that is an integer, as all that read models and messages to workers are
    /// about have; otherwise 0, and nobody here looks at it.
    pub(crate) entity_id: i32,
    /// Who asked, as `user/anna`; only for requests to workers, which are the ones that show it.
    pub(crate) requested_by: Option<String>,
}

/// An event that this version cannot read. Its readers stop at it: skipping it would make them wrong.
#[derive(Debug, thiserror::Error)]
#[error("event {position} cannot be read")]
pub struct Undecodable {
    /// The event.
    pub position: Position,
    /// What is wrong with it.
    #[source]
    pub cause: UndecodableCause,
}

/// What is wrong with an event.
#[derive(Debug, thiserror::Error)]
pub enum UndecodableCause {
    /// Its payload.
    #[error(transparent)]
    Payload(#[from] domain::EventError),
    /// Its metadata.
    #[error("its metadata is damaged")]
    Metadata(#[from] serde_json::Error),
    /// Its aggregate id.
    #[error("its aggregate id is not an integer")]
    AggregateId(#[from] ParseIntError),
}

impl Decoded {
    pub(crate) fn position(&self) -> Position {
        self.recorded.position
    }

    fn decode(recorded: RecordedEvent) -> Result<Self, Undecodable> {
        let parts = || {
            let event = recorded.event()?;
            let entity_id = match &event {
                Event::Worker(_) | Event::Instance(_) | Event::GameServer(_) | Event::Config(_) => {
                    recorded.aggregate_id.parse()?
                }
                Event::Subscription(_) | Event::DeadLetter(_) => 0,
            };
            let requested_by = match is_request(&event) {
                true => Some(actor(&recorded.metadata()?)),
                false => None,
            };
            Ok((event, entity_id, requested_by))
        };
        match parts() {
            Ok((event, entity_id, requested_by)) => {
                Ok(Self { recorded, event, entity_id, requested_by })
            }
            Err(cause) => Err(Undecodable { position: recorded.position, cause }),
        }
    }
}

/// Decodes up to the first event that cannot be read: what stands before it is still to be worked on.
pub(crate) fn decode_all(recorded: Vec<RecordedEvent>) -> (Vec<Decoded>, Option<Undecodable>) {
    let mut decoded = Vec::with_capacity(recorded.len());
    for event in recorded {
        match Decoded::decode(event) {
            Ok(event) => decoded.push(event),
            Err(undecodable) => return (decoded, Some(undecodable)),
        }
    }
    (decoded, None)
}

fn is_request(event: &Event) -> bool {
    match event {
        Event::Worker(event) => match event {
            WorkerEvent::StartRequested { .. }
            | WorkerEvent::StopRequested { .. }
            | WorkerEvent::StdinSent { .. }
            | WorkerEvent::ShutdownRequested { .. } => true,
            WorkerEvent::WorkerRegistered { .. }
            | WorkerEvent::AgentAttached { .. }
            | WorkerEvent::WorkerStatusReported { .. }
            | WorkerEvent::WorkerLost { .. }
            | WorkerEvent::WorkerRecovered { .. }
            | WorkerEvent::WorkerClosed { .. }
            | WorkerEvent::WorkerStatusConcluded { .. }
            | WorkerEvent::RequestFulfilled { .. }
            | WorkerEvent::RequestRefused { .. }
            | WorkerEvent::RequestFailed { .. }
            | WorkerEvent::RequestTimedOut { .. } => false,
        },
        Event::Instance(_)
        | Event::GameServer(_)
        | Event::Config(_)
        | Event::Subscription(_)
        | Event::DeadLetter(_) => false,
    }
}

fn actor(metadata: &Metadata) -> String {
    let kind = match metadata.actor_kind {
        ActorKind::User => "user",
        ActorKind::Agent => "agent",
        ActorKind::System => "system",
    };
    format!("{kind}/{}", metadata.actor_id)
}
