//! How a subscription says no.

use crate::{Refusal, RefusalKind};

/// How a subscription says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionRefusal {
    /// Rebuilds leave it out, so applying it now would make live and rebuilt rows differ.
    #[error("event {position} was skipped, and that is final")]
    Skipped {
        /// Its place on the log.
        position: i64,
    },
}

impl Refusal for SubscriptionRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Skipped { .. } => RefusalKind::Conflict,
        }
    }
}
