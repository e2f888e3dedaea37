//! What happened to a game server instance.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    ClaimChange, Claims, GameServerConfigId, GameServerId, GameServerInstanceId, Instant, Standing,
    StatusType, WorkerId,
};

use super::report::StatusDetail;

/// Why an instance is held lost. It recovers by the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceLostBy {
    /// Its worker was lost, and nothing can be known of it.
    Worker,
    /// It fell silent while its worker is alive.
    Silence,
}

/// Why an instance was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceClosedBy {
    /// Its worker said that it ended.
    Shutdown,
    /// Its worker is closed and it is silent.
    WorkerClosed,
}

/// What happened to a game server instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceEvent {
    /// A worker began a run of a config.
    InstanceCreated {
        /// Its id.
        game_server_instance_id: GameServerInstanceId,
        /// The config it runs.
        game_server_config_id: GameServerConfigId,
        /// The game server of that config.
        game_server_id: GameServerId,
        /// The worker it runs on.
        worker_id: WorkerId,
        /// When, on our clock.
        created_at: Instant,
    },
    /// Its worker reported a status.
    InstanceStatusReported {
        /// The status reported.
        status: StatusType,
        /// The worker's clock, as sent.
        reported_as_of: Instant,
        /// The instant it counts from: `reported_as_of`, clamped to the time of receipt, or, for a
        /// current one that is older than what was shown, the next instant after that.
        as_of: Instant,
        /// Whether it became the current status.
        standing: Standing,
        /// What else the worker told.
        detail: Option<StatusDetail>,
    },
    /// Its installation went on; the status stays INITIALIZING.
    InstanceProgressed {
        /// What is being done, in one word.
        phase: String,
        /// Of this phase, 0 to 100.
        percent: Option<u8>,
        /// Of this phase, in bytes.
        bytes_done: Option<i64>,
        /// Of this phase, in bytes.
        bytes_total: Option<i64>,
        /// When: the worker's clock, clamped to the time of receipt.
        as_of: Instant,
    },
    /// Nothing is known of it any more.
    InstanceLost {
        /// Since when it is shown as lost.
        as_of: Instant,
        /// Why.
        by: InstanceLostBy,
        /// The last sign of life of its own, if there was one.
        last_heartbeat_at: Option<Instant>,
    },
    /// It was heard of again.
    InstanceRecovered {
        /// Since when it is shown as recovered.
        as_of: Instant,
        /// The status shown from here on: the one before the loss.
        status: StatusType,
    },
    /// The run ended.
    InstanceClosed {
        /// When, on our clock.
        closed_at: Instant,
        /// Why.
        by: InstanceClosedBy,
    },
    /// It ended without a final status of its own; it is shown as COMPLETE from here on.
    InstanceStatusConcluded {
        /// Since when.
        as_of: Instant,
    },
}

impl DomainEvent for InstanceEvent {
    fn event_type(&self) -> String {
        match self {
            Self::InstanceCreated { .. } => "InstanceCreated",
            Self::InstanceStatusReported { .. } => "InstanceStatusReported",
            Self::InstanceProgressed { .. } => "InstanceProgressed",
            Self::InstanceLost { .. } => "InstanceLost",
            Self::InstanceRecovered { .. } => "InstanceRecovered",
            Self::InstanceClosed { .. } => "InstanceClosed",
            Self::InstanceStatusConcluded { .. } => "InstanceStatusConcluded",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        match self {
            Self::InstanceStatusReported { .. } => "2",
            Self::InstanceCreated { .. }
            | Self::InstanceProgressed { .. }
            | Self::InstanceLost { .. }
            | Self::InstanceRecovered { .. }
            | Self::InstanceClosed { .. }
            | Self::InstanceStatusConcluded { .. } => "1",
        }
        .to_owned()
    }
}

impl Claims for InstanceEvent {
    fn claims(&self) -> Vec<ClaimChange> {
        Vec::new()
    }
}
