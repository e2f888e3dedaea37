//! What one may ask of a worker aggregate. Time and ids come with the command.

use uuid::Uuid;

use crate::{GameServerConfigId, GameServerInstanceId, Instant, RequestId, StatusReport, WorkerId};

use super::agent::Agent;
use super::event::{Surface, WorkerClosedBy};

/// What a request asks of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Create and run an instance of a config.
    Start {
        /// The config to run.
        game_server_config_id: GameServerConfigId,
    },
    /// Stop the instance(s) of a config.
    Stop {
        /// The config to stop.
        game_server_config_id: GameServerConfigId,
    },
    /// Write lines to the console of a config's instance.
    Stdin {
        /// The config whose instance reads the lines.
        game_server_config_id: GameServerConfigId,
        /// The instance the sender meant, when it named one.
        game_server_instance_id: Option<GameServerInstanceId>,
        /// The words as the caller sent them; a v1 worker joins them with a blank into one line.
        words: Vec<String>,
    },
    /// Shut the whole worker down.
    Shutdown,
}

/// How a request to a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Fulfilled {
        /// The instance that shows it, where there is one.
        game_server_instance_id: Option<GameServerInstanceId>,
    },
    /// The worker would not.
    Refused {
        /// In words for a person.
        reason: String,
    },
    /// The worker tried and could not, or is gone.
    Failed {
        /// In words for a person.
        reason: String,
    },
    /// Nothing was heard of it by its deadline.
    TimedOut,
}

/// What one may ask of a worker aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerCommand {
    /// An agent registers.
    Register {
        /// The id allocated for it.
        worker_id: WorkerId,
        /// The surface it speaks.
        surface: Surface,
        /// Its stable name, on the native surface. No two open workers have the same: see its
        /// [claims](crate::Claims).
        name: Option<String>,
        /// The agent that will speak as it, on the native surface.
        agent: Option<Agent>,
        /// Now.
        at: Instant,
    },
    /// An agent comes back, or takes the worker over. Refused while another one is alive.
    Attach {
        /// The agent that will speak as it.
        agent: Agent,
        /// Now, on the clock of `last_heartbeat_at`.
        at: Instant,
        /// The worker's last sign of life, if there was one.
        last_heartbeat_at: Option<Instant>,
    },
    /// Proof of life: refused for an unknown or closed worker, never an event (heartbeats are telemetry).
    Heartbeat {
        /// The agent that speaks, where it says so: refused when another one took over.
        agent_id: Option<Uuid>,
    },
    /// The worker reports a status of its own.
    ReportStatus(StatusReport),
    /// It fell silent. No event when it is already lost, ended or has a terminal status.
    DeclareLost {
        /// Now.
        at: Instant,
        /// The last sign of life, if there was one.
        last_heartbeat_at: Option<Instant>,
    },
    /// It was heard of again. No event unless it is lost.
    DeclareRecovered {
        /// Now.
        at: Instant,
    },
    /// End its registration. Refused when already closed; a lost worker is also concluded.
    Close {
        /// Now.
        at: Instant,
        /// Why.
        by: WorkerClosedBy,
    },
    /// Give a closed worker whose final report never came its final status. No event when it has one.
    Conclude {
        /// Now.
        at: Instant,
    },
    /// Ask something of the worker.
    Request {
        /// The request's id.
        request_id: RequestId,
        /// What is asked.
        request: Request,
        /// Now.
        at: Instant,
        /// By when an outcome is due.
        deadline: Instant,
    },
    /// Record how a request ended. No event when it is not pending.
    Resolve {
        /// The request.
        request_id: RequestId,
        /// How it ended.
        outcome: Outcome,
        /// Now.
        at: Instant,
    },
}
