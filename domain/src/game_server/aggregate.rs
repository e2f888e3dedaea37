//! The state of a game server and its rules.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::text::has_nul;
use crate::{GameServerCommandDefaultId, GameServerCommandId, GameServerId};

use super::command::GameServerCommand;
use super::event::{GameServerEvent, ServerType};
use super::refusal::GameServerRefusal;

/// A game server as its events tell it; without an entry it does not exist.
///
/// That its name and app id are unique is a rule over many aggregates: see its [claims](crate::Claims).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GameServer {
    /// What it is.
    pub entry: Option<CatalogueEntry>,
    /// Its command templates.
    pub commands: BTreeMap<GameServerCommandId, CommandTemplate>,
    /// Their default values; several for one template are fine.
    pub defaults: BTreeMap<GameServerCommandDefaultId, CommandDefault>,
}

/// What a game server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// Its id.
    pub game_server_id: GameServerId,
    /// Its name, unique per server type.
    pub name: String,
    /// How it is installed.
    pub server_type: ServerType,
    /// Its Steam app id, unique per server type.
    pub app_id: i32,
}

/// A command for the game's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandTemplate {
    /// Its name, unique within the game server.
    pub name: String,
    /// The template; [`resolve`](super::resolve) fills it in.
    pub command: String,
    /// For people.
    pub description: Option<String>,
    /// Whether lists show it.
    pub is_visible: bool,
}

/// A value that a command template is offered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDefault {
    /// The template it is for.
    pub game_server_command_id: GameServerCommandId,
    /// The value.
    pub command_value: String,
    /// For people.
    pub description: Option<String>,
    /// Whether lists show it.
    pub is_visible: bool,
}

impl GameServer {
    /// What a command changes, as events; nothing is changed yet.
    ///
    /// Empty names, templates and values are accepted, as v1 does.
    ///
    /// # Errors
    /// The refusal, when the state or the command itself forbids it.
    pub fn decide(
        &self,
        command: GameServerCommand,
    ) -> Result<Vec<GameServerEvent>, GameServerRefusal> {
        match command {
            GameServerCommand::Add { game_server_id, name, server_type, app_id } => {
                self.add(CatalogueEntry { game_server_id, name, server_type, app_id })
            }
            GameServerCommand::AddCommand {
                game_server_command_id,
                name,
                command,
                description,
                is_visible,
            } => self.add_command(
                game_server_command_id,
                CommandTemplate { name, command, description, is_visible },
            ),
            GameServerCommand::AddCommandDefault {
                game_server_command_default_id,
                game_server_command_id,
                command_value,
                description,
                is_visible,
            } => self.add_command_default(
                game_server_command_default_id,
                CommandDefault { game_server_command_id, command_value, description, is_visible },
            ),
        }
    }

    fn add(&self, entry: CatalogueEntry) -> Result<Vec<GameServerEvent>, GameServerRefusal> {
        if let Some(existing) = &self.entry {
            return Err(GameServerRefusal::AlreadyExists {
                game_server_id: existing.game_server_id,
            });
        }
        require_storable("name", &entry.name)?;
        Ok(vec![GameServerEvent::GameServerAdded {
            game_server_id: entry.game_server_id,
            name: entry.name,
            server_type: entry.server_type,
            app_id: entry.app_id,
        }])
    }

    fn add_command(
        &self,
        game_server_command_id: GameServerCommandId,
        template: CommandTemplate,
    ) -> Result<Vec<GameServerEvent>, GameServerRefusal> {
        self.require_entry()?;
        if self.commands.values().any(|existing| existing.name == template.name) {
            return Err(GameServerRefusal::CommandNameTaken { name: template.name });
        }
        require_storable("name", &template.name)?;
        require_storable("command", &template.command)?;
        require_storable("description", template.description.as_deref().unwrap_or_default())?;
        Ok(vec![GameServerEvent::GameServerCommandAdded {
            game_server_command_id,
            name: template.name,
            command: template.command,
            description: template.description,
            is_visible: template.is_visible,
        }])
    }

    fn add_command_default(
        &self,
        game_server_command_default_id: GameServerCommandDefaultId,
        default: CommandDefault,
    ) -> Result<Vec<GameServerEvent>, GameServerRefusal> {
        self.require_entry()?;
        let game_server_command_id = default.game_server_command_id;
        if !self.commands.contains_key(&game_server_command_id) {
            return Err(GameServerRefusal::CommandNotFound { game_server_command_id });
        }
        require_storable("command value", &default.command_value)?;
        require_storable("description", default.description.as_deref().unwrap_or_default())?;
        Ok(vec![GameServerEvent::GameServerCommandDefaultAdded {
            game_server_command_default_id,
            game_server_command_id,
            command_value: default.command_value,
            description: default.description,
            is_visible: default.is_visible,
        }])
    }

    fn require_entry(&self) -> Result<&CatalogueEntry, GameServerRefusal> {
        self.entry.as_ref().ok_or(GameServerRefusal::NotFound)
    }
}

fn require_storable(field: &'static str, text: &str) -> Result<(), GameServerRefusal> {
    if has_nul(text) { Err(GameServerRefusal::NulCharacter { field }) } else { Ok(()) }
}

impl Aggregate for GameServer {
    const TYPE: &'static str = "game_server";
    type Command = GameServerCommand;
    type Event = GameServerEvent;
    type Error = GameServerRefusal;
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
            GameServerEvent::GameServerAdded { game_server_id, name, server_type, app_id } => {
                self.entry = Some(CatalogueEntry { game_server_id, name, server_type, app_id });
            }
            GameServerEvent::GameServerCommandAdded {
                game_server_command_id,
                name,
                command,
                description,
                is_visible,
            } => {
                let template = CommandTemplate { name, command, description, is_visible };
                self.commands.insert(game_server_command_id, template);
            }
            GameServerEvent::GameServerCommandDefaultAdded {
                game_server_command_default_id,
                game_server_command_id,
                command_value,
                description,
                is_visible,
            } => {
                let default = CommandDefault {
                    game_server_command_id,
                    command_value,
                    description,
                    is_visible,
                };
                self.defaults.insert(game_server_command_default_id, default);
            }
        }
    }
}
