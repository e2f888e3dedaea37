//! A command on its way: on whose behalf, and what became of it.

use domain::Claim;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Actor, Answer, AppendError, Loaded, Metadata, Position};

/// On whose behalf a command is carried out.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Who.
    pub actor: Actor,
    /// The request it belongs to.
    pub correlation_id: Uuid,
    /// The event or message that directly caused it, if any.
    pub causation_id: Option<Uuid>,
    /// The command's id.
    pub command_id: Uuid,
    /// Why, in words.
    pub reason: Option<String>,
    /// Given when the caller chose `command_id`: the answer a retry of it is to get.
    pub answer: Option<Answer>,
}

impl CommandContext {
    /// A command of its own: it is its own correlation and caused by nothing on the log.
    #[must_use]
    pub fn new(actor: Actor, command_id: Uuid) -> Self {
        Self {
            actor,
            correlation_id: command_id,
            causation_id: None,
            command_id,
            reason: None,
            answer: None,
        }
    }

    pub(crate) fn metadata(&self) -> Metadata {
        Metadata {
            actor_kind: self.actor.kind,
            actor_id: self.actor.id.clone(),
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            command_id: self.command_id,
            reason: self.reason.clone(),
        }
    }
}

/// What became of a command.
#[derive(Debug)]
pub enum Executed<A> {
    /// It was carried out, or there was nothing to do.
    Done {
        /// The aggregate after it.
        after: Loaded<A>,
        /// Where its last event stands; `None` when there was nothing to do.
        position: Option<Position>,
    },
    /// Its id was answered before; this is the first answer.
    Repeated {
        /// The first answer.
        response: Box<RawValue>,
        /// Where the first was written.
        position: Position,
    },
}

impl<A> Executed<A> {
    /// Where the command's effect stands on the log, if it had one.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Done { position, .. } => *position,
            Self::Repeated { position, .. } => Some(*position),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error + 'static> {
    /// The domain says no.
    #[error(transparent)]
    Refused(E),
    /// A rule over many aggregates says no: another stream holds this.
    #[error("{0} is taken")]
    ClaimTaken(Claim),
    /// The command id was used for another request.
    #[error("the command id was used for another request")]
    IdReused,
    /// Too many others wrote to the stream at the same time.
    #[error("the aggregate is too busy")]
    Busy,
    /// The stored stream cannot be read by this version.
    #[error("the stream is unreadable: {0}")]
    Unreadable(String),
    /// The log did not take it.
    #[error(transparent)]
    Append(AppendError),
}

impl<E: std::error::Error> From<AppendError> for ExecuteError<E> {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::ClaimTaken(claim) => Self::ClaimTaken(claim),
            AppendError::Conflict => Self::Busy,
            other => Self::Append(other),
        }
    }
}
