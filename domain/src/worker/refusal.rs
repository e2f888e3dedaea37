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
    /// A live agent has the worker of that name.
    #[error(
        "worker {worker_id} has that name and an agent that was heard of at {last_heartbeat_at}"
    )]
    NameInUse {
        /// The worker that has the name.
        worker_id: WorkerId,
        /// The last sign of life of its agent.
        last_heartbeat_at: Instant,
    },
    /// Another agent attached since; the one that asks must stop speaking as this worker.
    #[error("another agent took worker {worker_id} over")]
    TakenOver {
        /// The worker.
        worker_id: WorkerId,
    },
    /// Nobody could tell such names apart, or write them down.
    #[error(
        "a worker's name is 1 to 128 printable characters without blanks at its ends, {name:?} is not"
    )]
    NotAName {
        /// What was given, cut where it is too long.
        name: String,
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
}

impl Refusal for WorkerRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::AlreadyExists { .. }
            | Self::AlreadyClosed { .. }
            | Self::NameInUse { .. }
            | Self::TakenOver { .. } => RefusalKind::Conflict,
            Self::Gone { .. } => RefusalKind::Gone,
            Self::NotAName { .. }
            | Self::LostReported
            | Self::ControlCharacters { .. }
            | Self::NotAscii { .. } => RefusalKind::Invalid,
        }
    }
}
