//! What one may ask of a game server aggregate. Ids come with the command.

use crate::{GameServerCommandDefaultId, GameServerCommandId, GameServerId};

use super::event::ServerType;

/// What one may ask of a game server aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GameServerCommand {
    /// Add it to the catalogue.
    Add {
        /// The id allocated for it.
        game_server_id: GameServerId,
        /// Its name.
        name: String,
        /// How it is installed.
        server_type: ServerType,
        /// Its Steam app id.
        app_id: i32,
    },
    /// Add a command template. Refused when the name is taken.
    AddCommand {
        /// The id allocated for it.
        game_server_command_id: GameServerCommandId,
        /// Its name.
        name: String,
        /// The template.
        command: String,
        /// For people.
        description: Option<String>,
        /// Whether lists show it.
        is_visible: bool,
    },
    /// Add a default value for one of its command templates.
    AddCommandDefault {
        /// The id allocated for it.
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
