//! What was decided about a dead letter.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{ClaimChange, Claims};

/// What was decided about a dead letter. By whom, when and why is beside each event on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeadLetterEvent {
    /// Somebody wants it back in its queue. The intent: it is recorded before the broker is asked.
    DeadLetterRetried {
        /// The queue it was consumed from.
        queue: String,
        /// Why it was given up on.
        reason_dead: String,
    },
    /// It is never to be tried again.
    DeadLetterSkipped {
        /// The queue it was consumed from.
        queue: String,
        /// Why it was given up on.
        reason_dead: String,
    },
}

impl DomainEvent for DeadLetterEvent {
    fn event_type(&self) -> String {
        match self {
            Self::DeadLetterRetried { .. } => "DeadLetterRetried",
            Self::DeadLetterSkipped { .. } => "DeadLetterSkipped",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Claims for DeadLetterEvent {
    fn claims(&self) -> Vec<ClaimChange> {
        Vec::new()
    }
}
