//! Requests to a worker that have no outcome yet.

use serde::{Deserialize, Serialize};

use crate::{GameServerConfigId, GameServerInstanceId, Instant};

/// A request to a worker that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// What was asked.
    pub summary: RequestSummary,
    /// When, on our clock.
    pub requested_at: Instant,
    /// By when an outcome is due.
    pub deadline: Instant,
}

/// As much of a [`Request`](super::Request) as telling its outcome needs. The words of an stdin stay in its event:
/// snapshots and caches need not carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestSummary {
    /// See [`Request::Start`](super::Request::Start).
    Start {
        /// The config to run.
        game_server_config_id: GameServerConfigId,
    },
    /// See [`Request::Stop`](super::Request::Stop).
    Stop {
        /// The config to stop.
        game_server_config_id: GameServerConfigId,
    },
    /// See [`Request::Stdin`](super::Request::Stdin).
    Stdin {
        /// The config whose instance reads the words.
        game_server_config_id: GameServerConfigId,
        /// The instance the sender meant, when it named one.
        game_server_instance_id: Option<GameServerInstanceId>,
    },
    /// See [`Request::Shutdown`](super::Request::Shutdown).
    Shutdown,
}
