//! A game server in the catalogue: a game, its command templates and their default values.

mod aggregate;
mod command;
mod event;
mod refusal;
mod template;
#[cfg(test)]
mod tests;

pub use aggregate::{CatalogueEntry, CommandDefault, CommandTemplate, GameServer};
pub use command::GameServerCommand;
pub use event::{GameServerEvent, ServerType};
pub use refusal::GameServerRefusal;
pub use template::{TemplateRefusal, resolve};
