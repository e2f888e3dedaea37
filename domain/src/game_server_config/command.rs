//! What one may ask of a config aggregate. Ids come with the command.

use crate::game_server::ServerType;
use crate::{
    GameServerCommandId, GameServerConfigCommandId, GameServerConfigId, GameServerConfigOptionId,
    GameServerId,
};

use super::event::OptionType;
use super::supervision::Supervision;

/// What one may ask of a config aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GameServerConfigCommand {
    /// Add it. That the game server exists is the caller's check.
    Add {
        /// The id allocated for it.
        game_server_config_id: GameServerConfigId,
        /// The game server it starts.
        game_server_id: GameServerId,
        /// Its name.
        name: String,
        /// Whether it is the game server's default.
        is_default: bool,
        /// Whether lists show it.
        is_visible: bool,
        /// How that game server is installed: decides where the executable may be.
        server_type: ServerType,
        /// The executable, relative to the install directory; of a LOCAL game server it may be an
        /// absolute path.
        executable: String,
        /// Its arguments, verbatim.
        args: Vec<String>,
        /// `KEY=VALUE` entries; refused without a `=`.
        env_var: Vec<String>,
        /// Shell commands run after the install.
        post_install_commands: Vec<String>,
        /// How its process is stopped and when it is started again; without it as by default.
        supervision: Option<Supervision>,
    },
    /// Change how its process is stopped and when it is started again. No event when it is so already.
    SetSupervision(Supervision),
    /// Add a value for a command template of its game server. Refused when template and value are
    /// taken; that the template exists is the caller's check.
    AddCommand {
        /// The id allocated for it.
        game_server_config_command_id: GameServerConfigCommandId,
        /// The template.
        game_server_command_id: GameServerCommandId,
        /// The value.
        command_value: String,
        /// For people.
        description: Option<String>,
        /// Whether lists show it.
        is_visible: bool,
    },
    /// Add an ordered option.
    AddOption {
        /// The id allocated for it.
        game_server_config_option_id: GameServerConfigOptionId,
        /// What it adds.
        option_type: OptionType,
        /// The argument, `KEY=VALUE` or shell command.
        value: String,
        /// Its place among the options of its type.
        order: i32,
        /// Whether it takes effect.
        is_enabled: bool,
        /// For people.
        description: Option<String>,
    },
}
