//! The state of a config and its rules.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::game_server::ServerType;
use crate::{
    GameServerCommandId, GameServerConfigCommandId, GameServerConfigId, GameServerConfigOptionId,
    GameServerId,
};

use super::checks::{require_executable, require_inside, require_key_values, require_storable};
use super::command::GameServerConfigCommand;
use super::event::{GameServerConfigEvent, OptionType};
use super::refusal::ConfigRefusal;
use super::supervision::Supervision;

/// A config as its events tell it; without settings it does not exist.
///
/// That its name is unique per game server, and that there is one default, are rules over many
/// aggregates: see its [claims](crate::Claims).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GameServerConfig {
    /// How it starts its game server.
    pub settings: Option<ConfigSettings>,
    /// How its process is stopped and when it is started again.
    #[serde(default)]
    pub supervision: Supervision,
    /// Values for its game server's command templates.
    pub commands: BTreeMap<GameServerConfigCommandId, ConfigCommand>,
    /// What it adds to a start.
    pub options: BTreeMap<GameServerConfigOptionId, ConfigOption>,
}

/// How a config starts its game server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSettings {
    /// Its id.
    pub game_server_config_id: GameServerConfigId,
    /// The game server it starts.
    pub game_server_id: GameServerId,
    /// Its name, unique per game server.
    pub name: String,
    /// Whether it is the game server's default.
    pub is_default: bool,
    /// Whether lists show it.
    pub is_visible: bool,
    /// The executable, relative to the install directory; or absolute, of a LOCAL game server.
    pub executable: String,
    /// Its arguments, verbatim.
    pub args: Vec<String>,
    /// `KEY=VALUE` entries laid over the worker's environment; of two with one key the later wins.
    pub env_var: Vec<String>,
    /// Shell commands run after the install, in order.
    pub post_install_commands: Vec<String>,
}

/// A value that a command template of the game server is offered with on this config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigCommand {
    /// The template.
    pub game_server_command_id: GameServerCommandId,
    /// The value, unique per template.
    pub command_value: String,
    /// For people.
    pub description: Option<String>,
    /// Whether lists show it.
    pub is_visible: bool,
}

/// One thing added to a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigOption {
    /// What it adds.
    pub option_type: OptionType,
    /// The argument, `KEY=VALUE` or shell command.
    pub value: String,
    /// Its place among the options of its type; lower first.
    pub order: i32,
    /// Whether it takes effect.
    pub is_enabled: bool,
    /// For people.
    pub description: Option<String>,
}

impl GameServerConfig {
    /// What a command changes, as events; nothing is changed yet.
    ///
    /// # Errors
    /// The refusal, when the state or the command itself forbids it.
    pub fn decide(
        &self,
        command: GameServerConfigCommand,
    ) -> Result<Vec<GameServerConfigEvent>, ConfigRefusal> {
        match command {
            GameServerConfigCommand::Add {
                game_server_config_id,
                game_server_id,
                name,
                is_default,
                is_visible,
                server_type,
                executable,
                args,
                env_var,
                post_install_commands,
                supervision,
            } => {
                let settings = ConfigSettings {
                    game_server_config_id,
                    game_server_id,
                    name,
                    is_default,
                    is_visible,
                    executable,
                    args,
                    env_var,
                    post_install_commands,
                };
                self.add(settings, server_type, supervision)
            }
            GameServerConfigCommand::SetSupervision(supervision) => {
                self.require_settings()?;
                self.set_supervision(supervision)
            }
            GameServerConfigCommand::AddCommand {
                game_server_config_command_id,
                game_server_command_id,
                command_value,
                description,
                is_visible,
            } => self.add_command(
                game_server_config_command_id,
                ConfigCommand { game_server_command_id, command_value, description, is_visible },
            ),
            GameServerConfigCommand::AddOption {
                game_server_config_option_id,
                option_type,
                value,
                order,
                is_enabled,
                description,
            } => self.add_option(
                game_server_config_option_id,
                ConfigOption { option_type, value, order, is_enabled, description },
            ),
        }
    }

    fn add(
        &self,
        settings: ConfigSettings,
        server_type: ServerType,
        supervision: Option<Supervision>,
    ) -> Result<Vec<GameServerConfigEvent>, ConfigRefusal> {
        if let Some(existing) = &self.settings {
            return Err(ConfigRefusal::AlreadyExists {
                game_server_config_id: existing.game_server_config_id,
            });
        }
        // Earlier v1 workers name the install directory after the config.
        require_inside("name", &settings.name)?;
        require_executable(&settings.executable, server_type)?;
        require_storable("arguments", &settings.args)?;
        require_key_values(&settings.env_var)?;
        require_storable("post-install commands", &settings.post_install_commands)?;
        let supervised = supervision.map_or(Ok(Vec::new()), |set| self.set_supervision(set))?;
        let added = GameServerConfigEvent::GameServerConfigAdded {
            game_server_config_id: settings.game_server_config_id,
            game_server_id: settings.game_server_id,
            name: settings.name,
            is_default: settings.is_default,
            is_visible: settings.is_visible,
            executable: settings.executable,
            args: settings.args,
            env_var: settings.env_var,
            post_install_commands: settings.post_install_commands,
        };
        Ok(std::iter::once(added).chain(supervised).collect())
    }

    fn set_supervision(
        &self,
        supervision: Supervision,
    ) -> Result<Vec<GameServerConfigEvent>, ConfigRefusal> {
        supervision.require_sound()?;
        if supervision == self.supervision {
            return Ok(Vec::new());
        }
        Ok(vec![supervision.set()])
    }

    fn add_command(
        &self,
        game_server_config_command_id: GameServerConfigCommandId,
        added: ConfigCommand,
    ) -> Result<Vec<GameServerConfigEvent>, ConfigRefusal> {
        self.require_settings()?;
        let ConfigCommand { game_server_command_id, command_value, description, is_visible } =
            added;
        if self.commands.values().any(|existing| {
            existing.game_server_command_id == game_server_command_id
                && existing.command_value == command_value
        }) {
            return Err(ConfigRefusal::CommandTaken { game_server_command_id, command_value });
        }
        require_storable("command value", [&command_value])?;
        require_storable("description", &description)?;
        Ok(vec![GameServerConfigEvent::ConfigCommandAdded {
            game_server_config_command_id,
            game_server_command_id,
            command_value,
            description,
            is_visible,
        }])
    }

    fn add_option(
        &self,
        game_server_config_option_id: GameServerConfigOptionId,
        added: ConfigOption,
    ) -> Result<Vec<GameServerConfigEvent>, ConfigRefusal> {
        self.require_settings()?;
        let ConfigOption { option_type, value, order, is_enabled, description } = added;
        match option_type {
            OptionType::EnvVar => require_key_values([&value])?,
            OptionType::Arg | OptionType::PostInstallScript => {
                require_storable("option value", [&value])?;
            }
        }
        require_storable("description", &description)?;
        Ok(vec![GameServerConfigEvent::ConfigOptionAdded {
            game_server_config_option_id,
            option_type,
            value,
            order,
            is_enabled,
            description,
        }])
    }

    fn require_settings(&self) -> Result<&ConfigSettings, ConfigRefusal> {
        self.settings.as_ref().ok_or(ConfigRefusal::NotFound)
    }
}

impl Aggregate for GameServerConfig {
    const TYPE: &'static str = "game_server_config";
    type Command = GameServerConfigCommand;
    type Event = GameServerConfigEvent;
    type Error = ConfigRefusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        match event {
            GameServerConfigEvent::GameServerConfigAdded {
                game_server_config_id,
                game_server_id,
                name,
                is_default,
                is_visible,
                executable,
                args,
                env_var,
                post_install_commands,
            } => {
                self.settings = Some(ConfigSettings {
                    game_server_config_id,
                    game_server_id,
                    name,
                    is_default,
                    is_visible,
                    executable,
                    args,
                    env_var,
                    post_install_commands,
                });
            }
            GameServerConfigEvent::SupervisionSet {
                stop_line,
                stop_grace_seconds,
                restart,
                restart_limit,
                restart_window_seconds,
            } => {
                self.supervision = Supervision {
                    stop_line,
                    stop_grace_seconds,
                    restart,
                    restart_limit,
                    restart_window_seconds,
                };
            }
            GameServerConfigEvent::ConfigCommandAdded {
                game_server_config_command_id,
                game_server_command_id,
                command_value,
                description,
                is_visible,
            } => {
                let command = ConfigCommand {
                    game_server_command_id,
                    command_value,
                    description,
                    is_visible,
                };
                self.commands.insert(game_server_config_command_id, command);
            }
            GameServerConfigEvent::ConfigOptionAdded {
                game_server_config_option_id,
                option_type,
                value,
                order,
                is_enabled,
                description,
            } => {
                let option = ConfigOption { option_type, value, order, is_enabled, description };
                self.options.insert(game_server_config_option_id, option);
            }
        }
    }
}
