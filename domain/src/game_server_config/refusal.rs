//! How a config says no.

use crate::{GameServerCommandId, GameServerConfigId, Refusal, RefusalKind};

/// How a config says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigRefusal {
    /// No config was ever added under this id.
    #[error("config not found")]
    NotFound,
    /// The id is taken: ids are allocated, so this is somebody's second attempt.
    #[error("config {game_server_config_id} already exists")]
    AlreadyExists {
        /// The config that has it.
        game_server_config_id: GameServerConfigId,
    },
    /// This config offers that template with that value already.
    #[error(
        "command {game_server_command_id} with value {command_value:?} already exists for this config"
    )]
    CommandTaken {
        /// The template.
        game_server_command_id: GameServerCommandId,
        /// The value.
        command_value: String,
    },
    /// A worker cannot launch a process with such an entry in its environment.
    #[error("an environment variable must read KEY=VALUE, but {entry:?} does not")]
    NotKeyValue {
        /// The entry.
        entry: String,
    },
    /// Workers append it to the install directory, and it must not lead out of there.
    #[error("the {field} must be a path below the install directory, but {path:?} is not")]
    OutsideInstallDirectory {
        /// Which path, in words for a person.
        field: &'static str,
        /// The path.
        path: String,
    },
    /// It must be one line, and nothing that the console acts on.
    #[error("the {field} contains a control character")]
    ControlCharacters {
        /// What contains it, in words for a person.
        field: &'static str,
    },
    /// A number beyond what makes sense.
    #[error("the {field} must be {least} to {most}, {value} is not")]
    OutOfRange {
        /// Which number, in words for a person.
        field: &'static str,
        /// What was given.
        value: i32,
        /// The least it may be.
        least: i32,
        /// The most it may be.
        most: i32,
    },
    /// PostgreSQL has no text with a NUL in it, so no read model could ever show it.
    #[error("the {field} contains a NUL character")]
    NulCharacter {
        /// What contains it, in words for a person.
        field: &'static str,
    },
}

impl Refusal for ConfigRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::AlreadyExists { .. } | Self::CommandTaken { .. } => RefusalKind::Conflict,
            Self::NotKeyValue { .. }
            | Self::OutsideInstallDirectory { .. }
            | Self::ControlCharacters { .. }
            | Self::OutOfRange { .. }
            | Self::NulCharacter { .. } => RefusalKind::Invalid,
        }
    }
}
