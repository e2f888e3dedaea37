//! What happened to a game server of the catalogue.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    Claim, ClaimChange, ClaimScope, Claims, GameServerCommandDefaultId, GameServerCommandId,
    GameServerId,
};

/// How a game server is installed. The v1 surface knows only STEAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerType {
    /// By SteamCMD, from its app id.
    Steam,
    /// Already on the game host: a plain executable.
    Local,
}

impl ServerType {
    /// The word in the log and in read models.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steam => "STEAM",
            Self::Local => "LOCAL",
        }
    }
}

/// What happened to a game server of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GameServerEvent {
    /// A game server joined the catalogue.
    GameServerAdded {
        /// Its id.
        game_server_id: GameServerId,
        /// Its name, unique per server type.
        name: String,
        /// How it is installed.
        server_type: ServerType,
        /// Its Steam app id, unique per server type.
        app_id: i32,
    },
    /// A command template was added.
    GameServerCommandAdded {
        /// Its id.
        game_server_command_id: GameServerCommandId,
        /// Its name, unique per game server.
        name: String,
        /// The template; `{value}` and `{map}` stand for the value.
        command: String,
        /// For people.
        description: Option<String>,
        /// Whether lists show it.
        is_visible: bool,
    },
    /// A default value for a command template was added.
    GameServerCommandDefaultAdded {
        /// Its id.
        game_server_command_default_id: GameServerCommandDefaultId,
        /// The template it is for.
        game_server_command_id: GameServerCommandId,
        /// The value.
        command_value: String,
        /// For people.
        description: Option<String>,
        /// Whether lists show it.
        is_visible: bool,
    },
}

impl DomainEvent for GameServerEvent {
    fn event_type(&self) -> String {
        match self {
            Self::GameServerAdded { .. } => "GameServerAdded",
            Self::GameServerCommandAdded { .. } => "GameServerCommandAdded",
            Self::GameServerCommandDefaultAdded { .. } => "GameServerCommandDefaultAdded",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Claims for GameServerEvent {
    fn claims(&self) -> Vec<ClaimChange> {
        match self {
            Self::GameServerAdded { name, server_type, app_id, .. } => vec![
                ClaimChange::Take(Claim {
                    scope: ClaimScope::GameServerName,
                    key: format!("{}/{name}", server_type.as_str()),
                }),
                ClaimChange::Take(Claim {
                    scope: ClaimScope::GameServerAppId,
                    key: format!("{}/{app_id}", server_type.as_str()),
                }),
            ],
            Self::GameServerCommandAdded { .. } | Self::GameServerCommandDefaultAdded { .. } => {
                Vec::new()
            }
        }
    }
}
