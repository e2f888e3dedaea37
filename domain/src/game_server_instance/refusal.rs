//! How an instance says no.

use crate::{GameServerInstanceId, Instant, Refusal, RefusalKind};

/// How an instance says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceRefusal {
    /// No run was ever begun under this id.
    #[error("instance not found")]
    NotFound,
    /// The id is taken: ids are allocated, so this is somebody's second attempt.
    #[error("instance {game_server_instance_id} already exists")]
    AlreadyExists {
        /// The instance that has it.
        game_server_instance_id: GameServerInstanceId,
    },
    /// Its worker ended it before, too long ago for this to be the same request sent twice.
    #[error("instance {game_server_instance_id} was already closed on {closed_at}")]
    AlreadyClosed {
        /// The instance.
        game_server_instance_id: GameServerInstanceId,
        /// When it was closed, on our clock.
        closed_at: Instant,
    },
    /// Only ManMan can tell that an instance fell silent.
    #[error("LOST is not a status that can be reported")]
    LostReported,
}

impl Refusal for InstanceRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::AlreadyExists { .. } | Self::AlreadyClosed { .. } => RefusalKind::Conflict,
            Self::LostReported => RefusalKind::Invalid,
        }
    }
}
