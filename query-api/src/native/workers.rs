//! Workers, of either surface.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText};
use service::problem::Problem;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error;
use crate::read_models::StatusType;
use crate::{QueryApi, QueryError};

/// A worker.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = NativeWorker)]
pub(super) struct Worker {
    /// Its id.
    worker_id: Id,
    /// The surface it speaks: `v1` or `native`.
    surface: String,
    /// Its stable name; null for one that speaks v1.
    #[schema(required)]
    name: Option<String>,
    /// When it registered.
    created_at: DateTime<Utc>,
    /// When it was closed; null while it is open.
    #[schema(required)]
    ended_at: Option<DateTime<Utc>>,
    /// Why it was closed.
    #[schema(required)]
    end_cause: Option<String>,
    /// Its current status; null before the first one.
    #[schema(required)]
    status: Option<StatusType>,
    /// Since when it has this status.
    #[schema(required)]
    status_as_of: Option<DateTime<Utc>>,
    /// When it was last heard of.
    #[schema(required)]
    last_heartbeat_at: Option<DateTime<Utc>>,
    /// The agent that speaks as it; null for one that speaks v1.
    #[schema(required)]
    agent_id: Option<Uuid>,
    /// That agent's version.
    #[schema(required)]
    agent_version: Option<String>,
    /// When that agent attached last.
    #[schema(required)]
    attached_at: Option<DateTime<Utc>>,
}

/// A worker, open or closed.
#[utoipa::path(
    get,
    path = "/v1/workers/{id}",
    params(("id" = Id, Path, description = "Id of the worker")),
    responses(
        (status = 200, description = "The worker", body = Worker),
        (status = 404, description = "`worker_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_worker(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<Worker>, Problem> {
    let id = path.id("id")?.ok_or_else(error::worker_not_found)?;
    let worker = worker(&api.reads, id).await.map_err(QueryError::from)?;
    worker.map(Json).ok_or_else(error::worker_not_found)
}

async fn worker(db: impl PgExecutor<'_>, worker_id: i32) -> sqlx::Result<Option<Worker>> {
    sqlx::query_as(
        "SELECT w.worker_id, w.surface, w.name, w.created_date AS created_at,
                w.end_date AS ended_at, w.end_cause, w.status, w.status_as_of,
                h.last_heartbeat_at, w.agent_id, w.agent_version, w.attached_at
           FROM read_models.workers w
           LEFT JOIN public.heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id
          WHERE w.worker_id = $1",
    )
    .bind(worker_id)
    .fetch_optional(db)
    .await
}
