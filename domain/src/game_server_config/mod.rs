//! A game server config: how one game server is started.

mod aggregate;
mod checks;
mod command;
mod event;
mod refusal;
mod supervision;
#[cfg(test)]
mod tests;

pub use aggregate::{ConfigCommand, ConfigOption, ConfigSettings, GameServerConfig};
pub use command::GameServerConfigCommand;
pub use event::{GameServerConfigEvent, OptionType};
pub use refusal::ConfigRefusal;
pub use supervision::{RestartPolicy, Supervision};
