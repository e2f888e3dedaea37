//! What one command writes, all of it or nothing.

use domain::{Claim, ClaimChange};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Metadata, Position};

/// An event about to be appended.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// UUIDv7; also the message id of whatever the relay publishes for it.
    pub event_id: Uuid,
    /// The stream's aggregate type.
    pub aggregate_type: &'static str,
    /// The stream's aggregate id.
    pub aggregate_id: String,
    /// Its place in the stream: the expected version plus one, and so on.
    pub sequence: i64,
    /// Its type, such as `WorkerRegistered`.
    pub event_type: String,
    /// The version of its shape.
    pub event_version: String,
    /// Its payload as JSON text, stored exactly so.
    pub payload: String,
}

/// The answer kept for a command whose id the caller chose.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, so that the same id with another request can be told apart.
    pub fingerprint: String,
    /// What a retry is to get.
    pub response: Box<RawValue>,
}

/// An answer as the log has kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// What was asked.
    pub fingerprint: String,
    /// What was answered, as JSON text, exactly as kept.
    pub response: String,
    /// The position of the last event written with it.
    pub position: Position,
}

/// What one command writes.
#[derive(Debug, Clone)]
pub struct Commit {
    /// At least one event; all of one stream, in sequence.
    pub events: Vec<NewEvent>,
    /// Claims taken and released by these events.
    pub claims: Vec<ClaimChange>,
    /// Who and why; the same for all events of the commit.
    pub metadata: Metadata,
    /// The answer to keep under `metadata.command_id`, when the caller chose that id.
    pub answer: Option<Answer>,
}

/// What became of a commit that was not written.
#[derive(Debug, Clone)]
pub(crate) enum Rejection {
    /// The command id was answered before.
    Repeated { fingerprint: String, response: Box<RawValue>, position: Position },
    /// The stream has moved on; the event that stands in the way.
    Version { event_id: Uuid, position: Position },
    /// Another stream holds this.
    Claim(Claim),
}

/// Where a commit was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event.
    pub last: Position,
}
