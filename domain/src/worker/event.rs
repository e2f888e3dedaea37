//! What happened to a worker.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Claim, ClaimChange, ClaimScope, Claims, GameServerConfigId, GameServerInstanceId, Instant,
    RequestId, Standing, StatusType, WorkerId,
};

/// The surface a worker registered over. v1's "shut down all others" closes only v1 workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// The v1 wire contract.
    V1,
    /// The native `/v1/...` API.
    Native,
}

/// Why a worker was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerClosedBy {
    /// It said goodbye, or somebody did so for it.
    Shutdown,
    /// Another worker took over and asked for all others to be closed.
    SupersededBy(WorkerId),
    /// It was lost for longer than ManMan waits.
    LostTooLong,
}

/// What happened to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// An agent registered and became a worker.
    WorkerRegistered {
        /// Its id.
        worker_id: WorkerId,
        /// The surface it speaks.
        surface: Surface,
        /// Its stable name; v1 workers have none.
        name: Option<String>,
        /// When, on our clock.
        registered_at: Instant,
    },
    /// An agent speaks as the worker from here on: the first one, the same one after a restart, or
    /// another one that took over.
    AgentAttached {
        /// Which one.
        agent_id: Uuid,
        /// Its version.
        agent_version: String,
        /// When, on our clock.
        attached_at: Instant,
    },
    /// The worker reported a status of its own.
    WorkerStatusReported {
        /// The status it reported.
        status: StatusType,
        /// The worker's clock, as sent.
        reported_as_of: Instant,
        /// The instant it counts from: `reported_as_of`, clamped to the time of receipt, or, for a
        /// current one that is older than what was shown, the next instant after that.
        as_of: Instant,
        /// Whether it became the current status.
        standing: Standing,
    },
    /// The worker fell silent.
    WorkerLost {
        /// Since when it is shown as lost.
        as_of: Instant,
        /// The last sign of life, if there was one.
        last_heartbeat_at: Option<Instant>,
    },
    /// A lost worker was heard of again.
    WorkerRecovered {
        /// Since when it is shown as recovered.
        as_of: Instant,
        /// The status shown from here on: the one before the loss.
        status: StatusType,
    },
    /// The worker's registration ended.
    WorkerClosed {
        /// When, on our clock.
        closed_at: Instant,
        /// Why.
        by: WorkerClosedBy,
        /// The name that is free from here on, if it had one.
        name: Option<String>,
    },
    /// It ended without a final status of its own; it is shown as COMPLETE from here on.
    WorkerStatusConcluded {
        /// Since when.
        as_of: Instant,
    },
    /// Somebody asked for an instance of a config. The intent, not yet the deed; so are the next three.
    StartRequested {
        /// The request's id; its outcome names it.
        request_id: RequestId,
        /// The config to run.
        game_server_config_id: GameServerConfigId,
        /// When, on our clock.
        requested_at: Instant,
        /// By when an outcome is due.
        deadline: Instant,
    },
    /// Somebody asked for the instance(s) of a config to be stopped.
    StopRequested {
        /// The request's id; its outcome names it.
        request_id: RequestId,
        /// The config to stop.
        game_server_config_id: GameServerConfigId,
        /// When, on our clock.
        requested_at: Instant,
        /// By when an outcome is due.
        deadline: Instant,
    },
    /// Somebody sent words to the console of a config's instance.
    StdinSent {
        /// The request's id; its outcome names it.
        request_id: RequestId,
        /// The config whose instance reads them.
        game_server_config_id: GameServerConfigId,
        /// The instance the sender meant, when it named one.
        game_server_instance_id: Option<GameServerInstanceId>,
        /// The words as sent; the worker joins them with a blank into one line.
        words: Vec<String>,
        /// When, on our clock.
        requested_at: Instant,
        /// By when an outcome is due.
        deadline: Instant,
    },
    /// Somebody asked the whole worker to shut down.
    ShutdownRequested {
        /// The request's id; its outcome names it.
        request_id: RequestId,
        /// When, on our clock.
        requested_at: Instant,
        /// By when an outcome is due.
        deadline: Instant,
    },
    /// A request was carried out.
    RequestFulfilled {
        /// The request.
        request_id: RequestId,
        /// The instance that shows it, where there is one.
        game_server_instance_id: Option<GameServerInstanceId>,
        /// When, on our clock.
        resolved_at: Instant,
    },
    /// The worker would not carry a request out.
    RequestRefused {
        /// The request.
        request_id: RequestId,
        /// Why, in words for a person.
        reason: String,
        /// When, on our clock.
        resolved_at: Instant,
    },
    /// A request could not be carried out.
    RequestFailed {
        /// The request.
        request_id: RequestId,
        /// Why, in words for a person.
        reason: String,
        /// When, on our clock.
        resolved_at: Instant,
    },
    /// Nothing was heard of a request by its deadline.
    RequestTimedOut {
        /// The request.
        request_id: RequestId,
        /// When, on our clock.
        resolved_at: Instant,
    },
}

impl DomainEvent for WorkerEvent {
    fn event_type(&self) -> String {
        match self {
            Self::WorkerRegistered { .. } => "WorkerRegistered",
            Self::AgentAttached { .. } => "AgentAttached",
            Self::WorkerStatusReported { .. } => "WorkerStatusReported",
            Self::WorkerLost { .. } => "WorkerLost",
            Self::WorkerRecovered { .. } => "WorkerRecovered",
            Self::WorkerClosed { .. } => "WorkerClosed",
            Self::WorkerStatusConcluded { .. } => "WorkerStatusConcluded",
            Self::StartRequested { .. } => "StartRequested",
            Self::StopRequested { .. } => "StopRequested",
            Self::StdinSent { .. } => "StdinSent",
            Self::ShutdownRequested { .. } => "ShutdownRequested",
            Self::RequestFulfilled { .. } => "RequestFulfilled",
            Self::RequestRefused { .. } => "RequestRefused",
            Self::RequestFailed { .. } => "RequestFailed",
            Self::RequestTimedOut { .. } => "RequestTimedOut",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        match self {
            Self::WorkerClosed { .. } => "2",
            Self::WorkerRegistered { .. }
            | Self::AgentAttached { .. }
            | Self::WorkerStatusReported { .. }
            | Self::WorkerLost { .. }
            | Self::WorkerRecovered { .. }
            | Self::WorkerStatusConcluded { .. }
            | Self::StartRequested { .. }
            | Self::StopRequested { .. }
            | Self::StdinSent { .. }
            | Self::ShutdownRequested { .. }
            | Self::RequestFulfilled { .. }
            | Self::RequestRefused { .. }
            | Self::RequestFailed { .. }
            | Self::RequestTimedOut { .. } => "1",
        }
        .to_owned()
    }
}

impl Claims for WorkerEvent {
    fn claims(&self) -> Vec<ClaimChange> {
        let named = |name: &String| Claim { scope: ClaimScope::WorkerName, key: name.clone() };
        match self {
            Self::WorkerRegistered { name, .. } => {
                name.iter().map(|name| ClaimChange::Take(named(name))).collect()
            }
            Self::WorkerClosed { name, .. } => {
                name.iter().map(|name| ClaimChange::Release(named(name))).collect()
            }
            Self::AgentAttached { .. }
            | Self::WorkerStatusReported { .. }
            | Self::WorkerLost { .. }
            | Self::WorkerRecovered { .. }
            | Self::WorkerStatusConcluded { .. }
            | Self::StartRequested { .. }
            | Self::StopRequested { .. }
            | Self::StdinSent { .. }
            | Self::ShutdownRequested { .. }
            | Self::RequestFulfilled { .. }
            | Self::RequestRefused { .. }
            | Self::RequestFailed { .. }
            | Self::RequestTimedOut { .. } => Vec::new(),
        }
    }
}
