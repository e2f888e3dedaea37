//! Id newtypes. Ids are allocated from database sequences before a command is made, fit a signed
//! 32-bit integer (v1 clients parse them as such) and are decimal strings as aggregate ids.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A worker: the agent on one game host.
    WorkerId
);
id!(
    /// One run of a game server on a worker.
    GameServerInstanceId
);
id!(
    /// A game server in the catalogue ("game server type" in v1's words).
    GameServerId
);
id!(
    /// A way to start a game server.
    GameServerConfigId
);
id!(
    /// A command template of a game server.
    GameServerCommandId
);
id!(
    /// A default value for a command template.
    GameServerCommandDefaultId
);
id!(
    /// A value for a command template, on one config.
    GameServerConfigCommandId
);
id!(
    /// An ordered option of a config.
    GameServerConfigOptionId
);

/// A request made to a worker (start, stop, stdin, shutdown); every one ends in an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
