//! An operator who decides something, and the log that is told so before it is done.

use chrono::{SubsecRound, Utc};
use event_store::{Actor, CommandContext, EventStore, LogOptions};
use messaging::Decision;
use nix::unistd::{Uid, User};
use sqlx::PgPool;
use uuid::Uuid;

use crate::operator::By;

/// Digits after the second that the broker's headers have.
const MICROSECONDS: u16 = 6;

/// An operator who decides something.
pub struct Decider {
    pub store: EventStore,
    actor: String,
    reason: Option<String>,
    /// Shared by all that is decided at once.
    correlation_id: Uuid,
}

impl Decider {
    pub fn new(pool: PgPool, by: By, reason: Option<String>) -> Self {
        Self {
            store: EventStore::start(pool, LogOptions::default()),
            actor: by.actor.unwrap_or_else(os_user),
            reason,
            correlation_id: Uuid::now_v7(),
        }
    }

    /// For one decision on the log.
    pub fn context(&self) -> CommandContext {
        CommandContext {
            correlation_id: self.correlation_id,
            reason: self.reason.clone(),
            ..CommandContext::new(Actor::user(&self.actor), Uuid::now_v7())
        }
    }

    /// The same, as messages carry it.
    pub fn decision(&self) -> Decision {
        let at = Utc::now().trunc_subsecs(MICROSECONDS);
        Decision { actor: self.actor.clone(), reason: self.reason.clone(), at }
    }
}

/// Who runs this; behind `sudo`, for whom.
pub fn os_user() -> String {
    let asked = std::env::var("SUDO_USER").ok().filter(|name| !name.trim().is_empty());
    let uid = Uid::current();
    let known = || User::from_uid(uid).ok().flatten().map(|user| user.name);
    asked.or_else(known).unwrap_or_else(|| format!("uid {uid}"))
}
