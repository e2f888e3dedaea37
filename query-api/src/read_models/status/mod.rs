//! The current status of workers and instances, as v1 shows it.

mod batch;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service::v1::time::iso;
use sqlx::FromRow;
use utoipa::ToSchema;

pub(crate) use batch::BatchedStatuses;

/// The status of a worker or an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[sqlx(type_name = "text", rename_all = "UPPERCASE")]
pub enum StatusType {
    /// It exists; nothing was started yet.
    Created,
    /// It is being installed or started.
    Initializing,
    /// It runs.
    Running,
    /// It fell silent.
    Lost,
    /// It ended as asked.
    Complete,
    /// It ended unasked, or never came up.
    Crashed,
}

/// The current status of a worker or of an instance: exactly one of the two ids is not null.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct ExternalStatusInfo {
    /// The id of this status.
    pub status_info_id: i32,
    /// Who says so: `worker` or `game_server_instance` for a report, `StatusEventProcessor` for
    /// ManMan itself.
    pub class_name: String,
    /// The status.
    pub status_type: StatusType,
    /// Since when, by the clock of who says so.
    #[serde(serialize_with = "iso")]
    pub as_of: DateTime<Utc>,
    /// The worker it is the status of.
    #[schema(required)]
    pub worker_id: Option<i32>,
    /// The instance it is the status of.
    #[schema(required)]
    pub game_server_instance_id: Option<i32>,
}

impl StatusType {
    /// All of them, in the order v1 lists them.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Initializing,
        Self::Running,
        Self::Lost,
        Self::Complete,
        Self::Crashed,
    ];

    /// The word for it on the wire and in read models.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Initializing => "INITIALIZING",
            Self::Running => "RUNNING",
            Self::Lost => "LOST",
            Self::Complete => "COMPLETE",
            Self::Crashed => "CRASHED",
        }
    }
}

/// Current statuses of workers, by worker id. A worker without a status is not found.
const STATUSES_OF_WORKERS: &str = "
    SELECT worker_id AS entity_id, status_info_id, status_class AS class_name,
           status AS status_type, status_as_of AS as_of, worker_id,
           NULL::int AS game_server_instance_id
      FROM read_models.workers
     WHERE worker_id = ANY ($1) AND status IS NOT NULL";

/// Current statuses of instances, by instance id. An instance without a status is not found.
const STATUSES_OF_INSTANCES: &str = "
    SELECT game_server_instance_id AS entity_id, status_info_id, status_class AS class_name,
           status AS status_type, status_as_of AS as_of, NULL::int AS worker_id,
           game_server_instance_id
      FROM read_models.game_server_instances
     WHERE game_server_instance_id = ANY ($1) AND status IS NOT NULL";
