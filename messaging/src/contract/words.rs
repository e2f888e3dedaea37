//! The closed vocabularies of the wire.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A word that the vocabulary does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {vocabulary} {word:?}")]
pub struct UnknownWord {
    /// The JSON key it stood under.
    pub vocabulary: &'static str,
    /// What it was.
    pub word: String,
}

macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident = $vocabulary:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { vocabulary: $vocabulary, word: word.to_owned() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a status or a command is about.
    EntityType = "entity_type" {
        /// The agent on a game host.
        Worker = "worker",
        /// One run of a game server.
        GameServerInstance = "game_server_instance",
    }
}

impl EntityType {
    /// The word in queue names: upper case there, lower case everywhere else.
    #[must_use]
    pub const fn queue_word(self) -> &'static str {
        match self {
            Self::Worker => "WORKER",
            Self::GameServerInstance => "GAME_SERVER_INSTANCE",
        }
    }
}

words! {
    /// The status of a worker or an instance.
    StatusType = "status_type" {
        /// It exists; nothing was started yet.
        Created = "CREATED",
        /// It is being installed or started.
        Initializing = "INITIALIZING",
        /// It runs.
        Running = "RUNNING",
        /// It fell silent.
        Lost = "LOST",
        /// It ended; v1 workers also report a game that exited non-zero so.
        Complete = "COMPLETE",
        /// Install or launch failed.
        Crashed = "CRASHED",
    }
}

words! {
    /// What a worker is told to do.
    CommandType = "command_type" {
        /// Create and run an instance of the config in the only argument.
        Start = "START",
        /// Write the remaining arguments, joined by blanks, to the config's instance.
        Stdin = "STDIN",
        /// Stop the config's instances or, without arguments, the whole worker.
        Stop = "STOP",
    }
}
