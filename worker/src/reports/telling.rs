//! What it takes to tell a report, given what is known of instances.

use messaging::contract::{EntityType, InternalStatusInfo, StatusDetail, StatusType};
use messaging::{Outgoing, Topology};
use uuid::Uuid;

use super::report::{Outcome, Report, Spooled};
use crate::api::{Api, ApiError, OutcomeBody, OutcomeWord};
use crate::run_dir::RunId;

/// What it takes to tell a report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Telling {
    /// A call of the API.
    Call(Call),
    /// A message to the broker.
    Status(Status),
    /// Nothing: it was told before.
    Known,
    /// It can never be told.
    Pointless {
        /// Why.
        reason: String,
    },
}

/// A call of the API.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    CloseWorker,
    CreateInstance { run_id: RunId, config_id: i32 },
    CloseInstance { instance_id: i32 },
    Resolve { command_id: Uuid, outcome: OutcomeBody },
}

/// A status for the broker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    entity: EntityType,
    id: i32,
    status: StatusType,
    detail: Option<StatusDetail>,
}

/// What is known of a run's instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instance {
    /// It has this id.
    Known(i32),
    /// It is none: its creation was rejected, or was lost with a file that could not be read.
    None { reason: String },
}

/// What it takes to tell a report that is at the head of its lane: all that was reported of its run before was told.
///
/// `half_told` is whether a report of two parts has its first part behind it.
pub(super) fn telling(
    spooled: &Spooled,
    half_told: bool,
    instance: impl Fn(RunId) -> Instance,
) -> Telling {
    let about = |run_id, known: &dyn Fn(i32) -> Telling| match instance(run_id) {
        Instance::Known(id) => known(id),
        Instance::None { reason } => Telling::Pointless { reason },
    };
    match &spooled.report {
        Report::WorkerStatus { status } => Telling::Status(Status {
            entity: EntityType::Worker,
            id: spooled.worker_id,
            status: *status,
            detail: None,
        }),
        Report::WorkerClosed => Telling::Call(Call::CloseWorker),
        Report::InstanceCreated { run_id, game_server_config_id } => match instance(*run_id) {
            Instance::Known(_) => Telling::Known,
            Instance::None { .. } => Telling::Call(Call::CreateInstance {
                run_id: *run_id,
                config_id: *game_server_config_id,
            }),
        },
        Report::InstanceStatus { run_id, status, detail } => {
            about(*run_id, &|id| Telling::Status(Status::of_instance(id, *status, detail.clone())))
        }
        Report::InstanceClosed { run_id } => {
            about(*run_id, &|instance_id| Telling::Call(Call::CloseInstance { instance_id }))
        }
        Report::StrayInstanceEnded { instance_id, reason } if half_told => {
            let detail = StatusDetail { reason: Some(reason.clone()), ..StatusDetail::default() };
            Telling::Status(Status::of_instance(*instance_id, StatusType::Crashed, Some(detail)))
        }
        Report::StrayInstanceEnded { instance_id, .. } => {
            Telling::Call(Call::CloseInstance { instance_id: *instance_id })
        }
        Report::CommandOutcome { command_id, outcome, run_id } => {
            let outcome = outcome_body(outcome, run_id.map(&instance));
            Telling::Call(Call::Resolve { command_id: *command_id, outcome })
        }
    }
}

/// A command must end, whatever became of its instance; but nothing is fulfilled that ManMan does not have.
fn outcome_body(outcome: &Outcome, instance: Option<Instance>) -> OutcomeBody {
    let (word, reason) = match outcome {
        Outcome::Fulfilled => (OutcomeWord::Fulfilled, None),
        Outcome::Refused { reason } => (OutcomeWord::Refused, Some(reason.clone())),
        Outcome::Failed { reason } => (OutcomeWord::Failed, Some(reason.clone())),
    };
    match instance {
        None => OutcomeBody { outcome: word, game_server_instance_id: None, reason },
        Some(Instance::Known(id)) => {
            OutcomeBody { outcome: word, game_server_instance_id: Some(id), reason }
        }
        Some(Instance::None { reason: why }) => match word {
            OutcomeWord::Fulfilled => OutcomeBody {
                outcome: OutcomeWord::Failed,
                game_server_instance_id: None,
                reason: Some(why),
            },
            word => OutcomeBody { outcome: word, game_server_instance_id: None, reason },
        },
    }
}

impl Status {
    const fn of_instance(id: i32, status: StatusType, detail: Option<StatusDetail>) -> Self {
        Self { entity: EntityType::GameServerInstance, id, status, detail }
    }

    /// The message. Its id is the report's: the intake records a repeated one once.
    pub(super) fn message(
        self,
        topology: &Topology,
        spooled: &Spooled,
    ) -> Result<Outgoing, serde_json::Error> {
        let info = InternalStatusInfo {
            detail: self.detail,
            ..InternalStatusInfo::new(self.entity, self.id, spooled.at, self.status)
        };
        Outgoing::internal_status(topology, (self.entity, self.id), &info, spooled.id, spooled.at)
    }
}

impl Call {
    /// Makes the call; an instance that it began is returned.
    ///
    /// Each may be repeated. An instance is created under its run's id and closed under the report's id, and the API
    /// answers a repeated key as it did the first time; the others say what is, not what changes.
    pub(super) async fn make(self, api: &Api, spooled: &Spooled) -> Result<Option<i32>, ApiError> {
        match self {
            Self::CloseWorker => api.close_worker(spooled.worker_id).await.map(|()| None),
            Self::CreateInstance { run_id, config_id } => {
                api.create_instance(run_id.0, spooled.worker_id, config_id).await.map(Some)
            }
            Self::CloseInstance { instance_id } => {
                api.close_instance(spooled.id, instance_id).await.map(|()| None)
            }
            Self::Resolve { command_id, outcome } => {
                api.resolve(spooled.worker_id, command_id, &outcome).await.map(|()| None)
            }
        }
    }
}
