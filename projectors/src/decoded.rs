//! An event read from the log and understood.

use std::num::ParseIntError;

use chrono::DateTime;
use domain::Event;
use domain::worker::WorkerEvent;
use event_store::{ActorKind, BulkEvent, Metadata, Position, RecordedEvent};

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

/// An event that this version cannot read.
#[derive(Debug)]
pub(crate) struct Undecodable {
    pub(crate) recorded: RecordedEvent,
    /// Why not, in words for an operator.
    pub(crate) error: String,
}

/// An event as it came from the log.
pub(crate) type Read = Result<Decoded, Box<Undecodable>>;

/// What is wrong with an event.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Payload(#[from] domain::EventError),
    #[error("its metadata is damaged")]
    Metadata(#[from] serde_json::Error),
    #[error("its aggregate id is not an integer")]
    AggregateId(#[from] ParseIntError),
}

impl Decoded {
    pub(crate) fn position(&self) -> Position {
        self.recorded.position
    }
}

/// The stored event, readable or not.
pub(crate) fn recorded(read: &Read) -> &RecordedEvent {
    match read {
        Ok(decoded) => &decoded.recorded,
        Err(undecodable) => &undecodable.recorded,
    }
}

/// Decodes events; one that cannot be read does not keep others from being read.
pub(crate) fn decode_all(recorded: Vec<RecordedEvent>) -> Vec<Read> {
    recorded.into_iter().map(decode).collect()
}

fn decode(recorded: RecordedEvent) -> Read {
    let parts = understand(recorded.event(), &recorded.aggregate_id, || recorded.metadata());
    read(recorded, parts)
}

/// The types of the events of which the metadata are needed to decode them: see [`is_request`].
pub(crate) const WITH_METADATA: [&str; 4] =
    ["StartRequested", "StopRequested", "StdinSent", "ShutdownRequested"];

/// Decodes an event where it lies. Of what is recorded only its place, its stream, its id and its type are
/// kept: nobody who reads the log in bulk needs more.
pub(crate) fn decode_bulk(event: &BulkEvent<'_>) -> Read {
    let decoded =
        Event::decode(event.aggregate_type, event.event_type, event.event_version, event.payload);
    let metadata = || serde_json::from_str(event.metadata.unwrap_or_default());
    let parts = understand(decoded, event.aggregate_id, metadata);
    let recorded = RecordedEvent {
        position: event.position,
        event_id: event.event_id,
        aggregate_type: event.aggregate_type.to_owned(),
        aggregate_id: event.aggregate_id.to_owned(),
        sequence: 0,
        event_type: event.event_type.to_owned(),
        event_version: String::new(),
        payload: String::new(),
        metadata: String::new(),
        recorded_at: DateTime::UNIX_EPOCH,
    };
    read(recorded, parts)
}

/// The event, its entity's id, and who asked.
type Parts = (Event, i32, Option<String>);

fn understand(
    event: Result<Event, domain::EventError>,
    aggregate_id: &str,
    metadata: impl FnOnce() -> Result<Metadata, serde_json::Error>,
) -> Result<Parts, Cause> {
    let event = event?;
    let entity_id = match &event {
        Event::Worker(_) | Event::Instance(_) | Event::GameServer(_) | Event::Config(_) => {
            aggregate_id.parse()?
        }
        Event::Subscription(_) | Event::DeadLetter(_) => 0,
    };
    let requested_by = match is_request(&event) {
        true => Some(actor(&metadata()?)),
        false => None,
    };
    Ok((event, entity_id, requested_by))
}

fn read(recorded: RecordedEvent, parts: Result<Parts, Cause>) -> Read {
    match parts {
        Ok((event, entity_id, requested_by)) => {
            Ok(Decoded { recorded, event, entity_id, requested_by })
        }
        Err(cause) => {
            let error = crate::subscription::in_words(&cause);
            Err(Box::new(Undecodable { recorded, error }))
        }
    }
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
