//! The catalogue: game servers, their command templates and defaults, configs, their commands and
//! options. Nothing in it ever changes once added, but how a config is supervised, and that is set as a
//! whole: so events become rows without a load.

mod insert;

use std::collections::BTreeMap;

use domain::game_server::GameServerEvent;
use domain::game_server_config::{GameServerConfigEvent, RestartPolicy};
use domain::{Aggregate, Event, GameServer as GameServerAggregate, GameServerConfig};
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::{Projection, ProjectionInfo};
use crate::decoded::Decoded;
use crate::poison::Poison;
use crate::subscription::SubscriptionError;

pub(super) const INFO: ProjectionInfo = ProjectionInfo {
    name: "catalogue",
    version: 1,
    aggregates: &[GameServerAggregate::TYPE, GameServerConfig::TYPE],
    tables: &[
        "game_servers",
        "game_server_commands",
        "game_server_command_defaults",
        "game_server_configs",
        "game_server_config_commands",
        "game_server_config_options",
    ],
};

/// Rows not yet written, by table.
#[derive(Default)]
pub(super) struct Catalogue {
    game_servers: Vec<GameServer>,
    commands: Vec<Command>,
    defaults: Vec<CommandDefault>,
    configs: Vec<Config>,
    /// By config; only the last one counts.
    supervisions: BTreeMap<i32, Supervision>,
    config_commands: Vec<ConfigCommand>,
    options: Vec<ConfigOption>,
}

struct GameServer {
    id: i32,
    name: String,
    server_type: &'static str,
    app_id: i32,
    position: i64,
}

struct Command {
    id: i32,
    game_server_id: i32,
    name: String,
    command: String,
    description: Option<String>,
    is_visible: bool,
    position: i64,
}

struct CommandDefault {
    id: i32,
    game_server_id: i32,
    command_id: i32,
    value: String,
    description: Option<String>,
    is_visible: bool,
    position: i64,
}

struct Config {
    id: i32,
    game_server_id: i32,
    name: String,
    is_default: bool,
    is_visible: bool,
    executable: String,
    args: Vec<String>,
    env_var: Vec<String>,
    post_install_commands: Vec<String>,
    position: i64,
}

struct Supervision {
    stop_line: Option<String>,
    stop_grace_seconds: i32,
    restart: RestartPolicy,
    restart_limit: i32,
    restart_window_seconds: i32,
    position: i64,
}

struct ConfigCommand {
    id: i32,
    config_id: i32,
    command_id: i32,
    value: String,
    description: Option<String>,
    is_visible: bool,
    position: i64,
}

struct ConfigOption {
    id: i32,
    config_id: i32,
    option_type: &'static str,
    value: String,
    order: i32,
    is_enabled: bool,
    description: Option<String>,
    position: i64,
}

impl Catalogue {
    fn add(&mut self, event: &Decoded) {
        match &event.event {
            Event::GameServer(added) => self.add_to_game_server(event, added),
            Event::Config(added) => self.add_to_config(event, added),
            Event::Worker(_)
            | Event::Instance(_)
            | Event::Subscription(_)
            | Event::DeadLetter(_) => {}
        }
    }

    fn add_to_game_server(&mut self, event: &Decoded, added: &GameServerEvent) {
        let position = event.position().0;
        match added {
            GameServerEvent::GameServerAdded { game_server_id, name, server_type, app_id } => {
                self.game_servers.push(GameServer {
                    id: game_server_id.0,
                    name: name.clone(),
                    server_type: server_type.as_str(),
                    app_id: *app_id,
                    position,
                });
            }
            GameServerEvent::GameServerCommandAdded {
                game_server_command_id,
                name,
                command,
                description,
                is_visible,
            } => self.commands.push(Command {
                id: game_server_command_id.0,
                game_server_id: event.entity_id,
                name: name.clone(),
                command: command.clone(),
                description: description.clone(),
                is_visible: *is_visible,
                position,
            }),
            GameServerEvent::GameServerCommandDefaultAdded {
                game_server_command_default_id,
                game_server_command_id,
                command_value,
                description,
                is_visible,
            } => self.defaults.push(CommandDefault {
                id: game_server_command_default_id.0,
                game_server_id: event.entity_id,
                command_id: game_server_command_id.0,
                value: command_value.clone(),
                description: description.clone(),
                is_visible: *is_visible,
                position,
            }),
        }
    }

    fn add_to_config(&mut self, event: &Decoded, added: &GameServerConfigEvent) {
        let position = event.position().0;
        match added {
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
            } => self.configs.push(Config {
                id: game_server_config_id.0,
                game_server_id: game_server_id.0,
                name: name.clone(),
                is_default: *is_default,
                is_visible: *is_visible,
                executable: executable.clone(),
                args: args.clone(),
                env_var: env_var.clone(),
                post_install_commands: post_install_commands.clone(),
                position,
            }),
            GameServerConfigEvent::SupervisionSet {
                stop_line,
                stop_grace_seconds,
                restart,
                restart_limit,
                restart_window_seconds,
            } => {
                let supervision = Supervision {
                    stop_line: stop_line.clone(),
                    stop_grace_seconds: *stop_grace_seconds,
                    restart: *restart,
                    restart_limit: *restart_limit,
                    restart_window_seconds: *restart_window_seconds,
                    position,
                };
                self.supervisions.insert(event.entity_id, supervision);
            }
            GameServerConfigEvent::ConfigCommandAdded {
                game_server_config_command_id,
                game_server_command_id,
                command_value,
                description,
                is_visible,
            } => self.config_commands.push(ConfigCommand {
                id: game_server_config_command_id.0,
                config_id: event.entity_id,
                command_id: game_server_command_id.0,
                value: command_value.clone(),
                description: description.clone(),
                is_visible: *is_visible,
                position,
            }),
            GameServerConfigEvent::ConfigOptionAdded {
                game_server_config_option_id,
                option_type,
                value,
                order,
                is_enabled,
                description,
            } => self.options.push(ConfigOption {
                id: game_server_config_option_id.0,
                config_id: event.entity_id,
                option_type: option_type.as_str(),
                value: value.clone(),
                order: *order,
                is_enabled: *is_enabled,
                description: description.clone(),
                position,
            }),
        }
    }
}

impl Projection for Catalogue {
    fn info(&self) -> ProjectionInfo {
        INFO
    }

    fn handle<'a>(
        &'a mut self,
        events: &'a [&'a Decoded],
        _connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<Vec<Poison>, SubscriptionError>> {
        events.iter().for_each(|event| self.add(event));
        std::future::ready(Ok(Vec::new())).boxed()
    }

    fn held(&self) -> usize {
        self.unwritten()
    }

    fn unwritten(&self) -> usize {
        self.game_servers.len()
            + self.commands.len()
            + self.defaults.len()
            + self.configs.len()
            + self.supervisions.len()
            + self.config_commands.len()
            + self.options.len()
    }

    fn write<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        let rows = std::mem::take(self);
        async move { rows.insert(connection).await }.boxed()
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}
