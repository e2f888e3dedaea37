//! How a dead letter says no.

use crate::{Refusal, RefusalKind};

/// How a dead letter says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterRefusal {
    /// Whoever skipped it gave a reason that others may rely on.
    #[error("it was skipped, and that is final")]
    Skipped,
}

impl Refusal for DeadLetterRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Skipped => RefusalKind::Conflict,
        }
    }
}
