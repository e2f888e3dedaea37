//! What is reported, and in which order.

use chrono::{DateTime, Utc};
use messaging::contract::{StatusDetail, StatusType};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::run_dir::RunId;

/// Reports of one lane are delivered one after the other, those of different lanes side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// What is about the worker itself.
    Worker,
    /// What is about the game server of one config: all reports of a run are in its config's lane.
    Config(i32),
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The worker's status.
    WorkerStatus {
        /// Which.
        status: StatusType,
    },
    /// The worker's registration ends.
    WorkerClosed,
    /// A run begins and becomes an instance. Told again of the same run, it is the same instance.
    InstanceCreated {
        /// The run.
        run_id: RunId,
        /// What it runs.
        game_server_config_id: i32,
    },
    /// The status of a run's instance.
    InstanceStatus {
        /// The run.
        run_id: RunId,
        /// Which.
        status: StatusType,
        /// What else there is to say.
        detail: Option<StatusDetail>,
    },
    /// A run's instance has ended.
    InstanceClosed {
        /// The run.
        run_id: RunId,
    },
    /// An instance that is open for ManMan and unknown to this host: it is closed, then told as CRASHED.
    StrayInstanceEnded {
        /// The instance.
        instance_id: i32,
        /// Why it is held to have ended.
        reason: String,
    },
    /// How a command ended.
    CommandOutcome {
        /// The request.
        command_id: Uuid,
        /// How.
        outcome: Outcome,
        /// The run it began or changed, if any.
        run_id: Option<RunId>,
    },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What was asked for is done.
    Fulfilled,
    /// It was not tried.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// It was tried in vain.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

impl Report {
    /// The id by which a repetition is recognised. What can be said only once of a run has the same id whenever it is
    /// said, so that an agent that died in between may say it again.
    pub(super) fn id(&self) -> Uuid {
        let once = |run_id: &RunId, what: &str| Uuid::new_v5(&run_id.0, what.as_bytes());
        match self {
            Self::InstanceCreated { run_id, .. } => run_id.0,
            Self::InstanceStatus { run_id, status, .. } if self.progress_of().is_none() => {
                once(run_id, status.as_str())
            }
            Self::InstanceClosed { run_id } => once(run_id, "closed"),
            Self::InstanceStatus { .. }
            | Self::WorkerStatus { .. }
            | Self::WorkerClosed
            | Self::StrayInstanceEnded { .. }
            | Self::CommandOutcome { .. } => Uuid::now_v7(),
        }
    }

    /// The run whose instance must be known before this can be told, or which it makes known.
    pub(super) const fn run_id(&self) -> Option<RunId> {
        match self {
            Self::InstanceCreated { run_id, .. }
            | Self::InstanceStatus { run_id, .. }
            | Self::InstanceClosed { run_id } => Some(*run_id),
            Self::CommandOutcome { run_id, .. } => *run_id,
            Self::WorkerStatus { .. } | Self::WorkerClosed | Self::StrayInstanceEnded { .. } => {
                None
            }
        }
    }

    /// The run of which this is progress: a later one says all that it says.
    pub(super) const fn progress_of(&self) -> Option<RunId> {
        match self {
            Self::InstanceStatus {
                run_id,
                status: StatusType::Initializing,
                detail: Some(StatusDetail { progress: Some(_), .. }),
            } => Some(*run_id),
            _ => None,
        }
    }

    /// For the log.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::WorkerStatus { .. } => "worker status",
            Self::WorkerClosed => "end of the worker",
            Self::InstanceCreated { .. } => "new instance",
            Self::InstanceStatus { .. } => "instance status",
            Self::InstanceClosed { .. } => "end of an instance",
            Self::StrayInstanceEnded { .. } => "end of a stray instance",
            Self::CommandOutcome { .. } => "outcome of a command",
        }
    }
}

/// A report as it lies in the spool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spooled {
    /// Names it wherever it arrives, so that a repetition is recognised: the message's id, the `Idempotency-Key`.
    pub(super) id: Uuid,
    /// When it was reported. Later reports of one agent have later instants, to the microsecond: so it is also its place
    /// in the spool, and the `as_of` of a status.
    pub(super) at: DateTime<Utc>,
    /// The worker that reports.
    pub(super) worker_id: i32,
    /// Where it is queued.
    pub(super) lane: Lane,
    /// What it says.
    pub(super) report: Report,
}

impl Spooled {
    /// `<20 digits>.json`: file names in their order are reports in theirs.
    pub(super) fn file_name(&self) -> String {
        format!("{:020}.json", self.at.timestamp_micros())
    }
}
