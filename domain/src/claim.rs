//! Rules over many aggregates: a claim is a key that one stream holds at a time.
//!
//! The log writes and releases claims in the statement that appends the events that take or free
//! them, so they hold under any concurrency; a lost race is that command's conflict (design: the log).

use std::fmt;

/// What a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClaimScope {
    /// A game server's name, per server type.
    GameServerName,
    /// A game server's app id, per server type.
    GameServerAppId,
    /// A config's name, per game server.
    ConfigName,
    /// Being the default config of a game server.
    DefaultConfig,
    /// The name of an open worker.
    WorkerName,
}

impl ClaimScope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::GameServerName,
        Self::GameServerAppId,
        Self::ConfigName,
        Self::DefaultConfig,
        Self::WorkerName,
    ];

    /// The scope's name in the log's `claims` table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GameServerName => "game_server_name",
            Self::GameServerAppId => "game_server_app_id",
            Self::ConfigName => "config_name",
            Self::DefaultConfig => "default_config",
            Self::WorkerName => "worker_name",
        }
    }
}

/// A key that one stream at a time may hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// What it is about.
    pub scope: ClaimScope,
    /// The key within the scope, such as `STEAM/cs2`.
    pub key: String,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.scope.as_str(), self.key)
    }
}

/// What an event does to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimChange {
    /// The stream holds it from this event on.
    Take(Claim),
    /// The stream gives it up with this event.
    Release(Claim),
}

/// Events that take or free claims.
pub trait Claims {
    /// The changes this event brings; most bring none.
    fn claims(&self) -> Vec<ClaimChange>;
}
