//! What happened to a game server config.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    Claim, ClaimChange, ClaimScope, Claims, GameServerCommandId, GameServerConfigCommandId,
    GameServerConfigId, GameServerConfigOptionId, GameServerId,
};

use super::supervision::RestartPolicy;

/// What a config option adds to a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionType {
    /// A command-line argument.
    Arg,
    /// A `KEY=VALUE` of the environment.
    EnvVar,
    /// A shell command after the install.
    PostInstallScript,
}

impl OptionType {
    /// The word in read models.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arg => "arg",
            Self::EnvVar => "env_var",
            Self::PostInstallScript => "post_install_script",
        }
    }
}

/// What happened to a game server config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GameServerConfigEvent {
    /// A config was added to a game server.
    GameServerConfigAdded {
        /// Its id.
        game_server_config_id: GameServerConfigId,
        /// The game server it starts.
        game_server_id: GameServerId,
        /// Its name, unique per game server.
        name: String,
        /// Whether it is the game server's default; there is at most one.
        is_default: bool,
        /// Whether lists show it.
        is_visible: bool,
        /// The executable, relative to the install directory; or absolute, of a LOCAL game server.
        executable: String,
        /// Its arguments, verbatim.
        args: Vec<String>,
        /// `KEY=VALUE` entries laid over the worker's environment.
        env_var: Vec<String>,
        /// Shell commands run after the install, in order.
        post_install_commands: Vec<String>,
    },
    /// How its process is stopped and when it is started again was changed from what it was; at first
    /// it is as by default.
    SupervisionSet {
        /// A console line that asks the game server to end.
        stop_line: Option<String>,
        /// How long it may take to end before it is killed, in seconds.
        stop_grace_seconds: i32,
        /// When it is started again.
        restart: RestartPolicy,
        /// How many restarts are made within the window before it stays down.
        restart_limit: i32,
        /// The window, in seconds.
        restart_window_seconds: i32,
    },
    /// A value for one of the game server's command templates was added.
    ConfigCommandAdded {
        /// Its id.
        game_server_config_command_id: GameServerConfigCommandId,
        /// The template.
        game_server_command_id: GameServerCommandId,
        /// The value, unique per template on this config.
        command_value: String,
        /// For people.
        description: Option<String>,
        /// Whether lists show it.
        is_visible: bool,
    },
    /// An ordered option was added.
    ConfigOptionAdded {
        /// Its id.
        game_server_config_option_id: GameServerConfigOptionId,
        /// What it adds.
        option_type: OptionType,
        /// The argument, `KEY=VALUE` or shell command.
        value: String,
        /// Its place among the options of its type; lower first.
        order: i32,
        /// Whether it takes effect.
        is_enabled: bool,
        /// For people.
        description: Option<String>,
    },
}

impl DomainEvent for GameServerConfigEvent {
    fn event_type(&self) -> String {
        match self {
            Self::GameServerConfigAdded { .. } => "GameServerConfigAdded",
            Self::SupervisionSet { .. } => "SupervisionSet",
            Self::ConfigCommandAdded { .. } => "ConfigCommandAdded",
            Self::ConfigOptionAdded { .. } => "ConfigOptionAdded",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Claims for GameServerConfigEvent {
    fn claims(&self) -> Vec<ClaimChange> {
        match self {
            Self::GameServerConfigAdded { game_server_id, name, is_default, .. } => {
                let mut changes = vec![ClaimChange::Take(Claim {
                    scope: ClaimScope::ConfigName,
                    key: format!("{game_server_id}/{name}"),
                })];
                if *is_default {
                    changes.push(ClaimChange::Take(Claim {
                        scope: ClaimScope::DefaultConfig,
                        key: game_server_id.to_string(),
                    }));
                }
                changes
            }
            Self::SupervisionSet { .. }
            | Self::ConfigCommandAdded { .. }
            | Self::ConfigOptionAdded { .. } => Vec::new(),
        }
    }
}
