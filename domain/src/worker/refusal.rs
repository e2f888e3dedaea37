//! How a worker says no.

use crate::{Instant, Refusal, RefusalKind, WorkerId};

/// How a worker says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerRefusal {
    /// No worker was ever registered under this id.
    #[error("worker not found")]
    NotFound,
    /// The id is taken: ids are allocated, so this is somebody's second attempt.
    #[error("worker {worker_id} is already registered")]
    AlreadyExists {
        /// The worker that has it.
        worker_id: WorkerId,
    },
    /// A second goodbye.
    #[error("worker {worker_id} was already closed on {closed_at}")]
    AlreadyClosed {
        /// The worker.
        worker_id: WorkerId,
        /// When it was closed, on our clock.
        closed_at: Instant,
    },
    /// It ended; its agent must register again.
    #[error("worker {worker_id} is closed since {closed_at}")]
    Gone {
        /// The worker.
        worker_id: WorkerId,
        /// When it was closed, on our clock.
        closed_at: Instant,
    },
    /// Only ManMan can tell that a worker fell silent; a worker that says so is not silent.
    #[error("LOST is not a status that can be reported")]
    LostReported,
    /// A console line would be split by it, or the console would act on it.
    #[error("console words must not contain control characters, but {word:?} does")]
    ControlCharacters {
        /// The offending word.
        word: String,
    },
    /// A v1 worker encodes console lines as ASCII and dead-locks when it cannot.
    #[error("console words of a v1 worker must be ASCII, but {word:?} is not")]
    NotAscii {
        /// The offending word.
        word: String,
    },
    /// PostgreSQL has no text with a NUL in it, so no read model could ever show it.
    #[error("the {field} contains a NUL character")]
    NulCharacter {
        /// What contains it, in words for a person.
        field: &'static str,
    },
}

impl Refusal for WorkerRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::AlreadyExists { .. } | Self::AlreadyClosed { .. } => RefusalKind::Conflict,
            Self::Gone { .. } => RefusalKind::Gone,
            Self::LostReported
            | Self::ControlCharacters { .. }
            | Self::NotAscii { .. }
            | Self::NulCharacter { .. } => RefusalKind::Invalid,
        }
    }
}
