//! How a game server says no.

use crate::{GameServerCommandId, GameServerId, Refusal, RefusalKind};

/// How a game server says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GameServerRefusal {
    /// No game server was ever added under this id.
    #[error("game server not found")]
    NotFound,
    /// The id is taken: ids are allocated, so this is somebody's second attempt.
    #[error("game server {game_server_id} already exists")]
    AlreadyExists {
        /// The game server that has it.
        game_server_id: GameServerId,
    },
    /// Another command template of this game server has that name.
    #[error("command {name:?} already exists for this game server")]
    CommandNameTaken {
        /// The name.
        name: String,
    },
    /// A default value needs a command template of this game server.
    #[error("command {game_server_command_id} not found for this game server")]
    CommandNotFound {
        /// The template that is not there.
        game_server_command_id: GameServerCommandId,
    },
    /// PostgreSQL has no text with a NUL in it, so no read model could ever show it.
    #[error("the {field} contains a NUL character")]
    NulCharacter {
        /// What contains it, in words for a person.
        field: &'static str,
    },
}

impl Refusal for GameServerRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound | Self::CommandNotFound { .. } => RefusalKind::NotFound,
            Self::AlreadyExists { .. } | Self::CommandNameTaken { .. } => RefusalKind::Conflict,
            Self::NulCharacter { .. } => RefusalKind::Invalid,
        }
    }
}
