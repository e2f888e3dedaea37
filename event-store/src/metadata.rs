//! Who did it, why, and because of what: on every event, enforced by type here and by a check in
//! the database.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What sort of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person or a bot, through an API.
    User,
    /// The agent on a game host.
    Agent,
    /// `ManMan` itself: a process manager, a seed.
    System,
}

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What sort of actor.
    pub kind: ActorKind,
    /// Which one: a user name, `worker/6`, `liveness`.
    pub id: String,
}

impl Actor {
    /// A person or a bot.
    pub fn user(id: impl Into<String>) -> Self {
        Self { kind: ActorKind::User, id: id.into() }
    }

    /// The agent of a worker.
    pub fn agent(id: impl Into<String>) -> Self {
        Self { kind: ActorKind::Agent, id: id.into() }
    }

    /// A part of `ManMan`, by name.
    pub fn system(id: impl Into<String>) -> Self {
        Self { kind: ActorKind::System, id: id.into() }
    }
}

/// What is known of an event beside its payload.
///
/// Stored as a flat object of strings, the form `cqrs-es` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What sort of actor caused it.
    pub actor_kind: ActorKind,
    /// Which one.
    pub actor_id: String,
    /// The request it belongs to; shared by everything that follows from it.
    pub correlation_id: Uuid,
    /// The event or message that directly caused the command, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// The command that decided it.
    pub command_id: Uuid,
    /// Why, where a human gave a reason or the system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
