//! Workers, for dashboards.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::time::{iso, iso_option};
use service::v1::{PathText, QueryText, V1Error};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::servers::{ActiveServer, open_instances};
use super::worker_filter::WorkerFilter;
use crate::read_models::{StatusType, snapshot};
use crate::{QueryApi, QueryError};

/// A worker and how it is.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct WorkerSummary {
    /// Its id.
    worker_id: i32,
    /// The surface it speaks: `v1` or `native`.
    surface: String,
    /// Its name; v1 workers have none.
    #[schema(required)]
    name: Option<String>,
    /// When it registered.
    #[serde(serialize_with = "iso")]
    created_date: DateTime<Utc>,
    /// When it was closed; null while it is open.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    end_date: Option<DateTime<Utc>>,
    /// Why it was closed.
    #[schema(required)]
    end_cause: Option<String>,
    /// When it was last heard of.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    last_heartbeat: Option<DateTime<Utc>>,
    /// Its current status; null before the first one.
    #[schema(required)]
    status: Option<StatusType>,
    /// Since when it has this status.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    status_as_of: Option<DateTime<Utc>>,
    /// How many instances it runs.
    open_instance_count: i64,
    /// How many requests it has not dealt with yet.
    pending_request_count: i64,
    /// The last event that changed something of this, counts and heartbeat aside.
    position: i64,
}

/// One page of workers, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerPage {
    /// At most `limit` workers.
    workers: Vec<WorkerSummary>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<i32>,
}

/// A worker with what it runs and what is asked of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerDetails {
    /// The worker itself.
    #[serde(flatten)]
    worker: WorkerSummary,
    /// What it runs, by instance id.
    open_instances: Vec<ActiveServer>,
    /// What is asked of it and has no outcome yet, oldest first.
    pending_requests: Vec<PendingRequest>,
}

/// Something asked of a worker that has no outcome yet.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct PendingRequest {
    /// Its id.
    pub(super) request_id: Uuid,
    /// The worker it is for.
    pub(super) worker_id: i32,
    /// What is asked: `start`, `stop`, `stdin` and the like.
    pub(super) kind: String,
    /// The config it is about, if it is about one.
    #[schema(required)]
    pub(super) game_server_config_id: Option<i32>,
    /// The instance it is about, if it is about one.
    #[schema(required)]
    pub(super) game_server_instance_id: Option<i32>,
    /// When it was asked.
    #[serde(serialize_with = "iso")]
    pub(super) requested_at: DateTime<Utc>,
    /// Who asked.
    pub(super) requested_by: String,
    /// When it counts as timed out.
    #[serde(serialize_with = "iso")]
    pub(super) deadline: DateTime<Utc>,
}

/// Workers, newest first.
#[utoipa::path(
    get,
    path = "/status/workers",
    params(
        ("status" = Option<StatusType>, Query, description = "Only those with this current status"),
        ("open" = Option<bool>, Query, description = "Only open ones, or only closed ones"),
        ("limit" = Option<i64>, Query, description = "How many at most, up to 500; 50 without it"),
        ("after" = Option<i64>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of workers", body = WorkerPage),
        (status = 422, description = "A parameter does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn workers(
    State(api): State<QueryApi>,
    query: QueryText,
    Query(words): Query<HashMap<String, String>>,
) -> Result<Json<WorkerPage>, QueryError> {
    let filter = WorkerFilter::read(&query, &words)?;
    let mut workers = workers_like(&api.reads, &filter).await?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let is_last = workers.len() <= limit;
    workers.truncate(limit);
    let next = workers.last().filter(|_| !is_last).map(|worker| worker.worker_id);
    Ok(Json(WorkerPage { workers, next }))
}

/// A worker with what it runs and what is asked of it.
#[utoipa::path(
    get,
    path = "/status/workers/{id}",
    params(("id" = i32, Path, description = "Id of the worker")),
    responses(
        (status = 200, description = "The worker", body = WorkerDetails),
        (status = 404, description = "There is none", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn worker(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<WorkerDetails>, QueryError> {
    let unknown = || V1Error::not_found("Worker not found");
    let id = path.int("id")?.id().ok_or_else(unknown)?;
    let mut reads = snapshot(&api.reads).await?;
    Ok(Json(WorkerDetails {
        worker: worker_with_id(&mut *reads, id).await?.ok_or_else(unknown)?,
        open_instances: open_instances(&mut *reads, Some(id)).await?,
        pending_requests: pending_requests_of(&mut *reads, id).await?,
    }))
}

/// Newest first: ids are handed out in the order of registration. One more than the limit, to see
/// whether there is more.
async fn workers_like(
    db: impl PgExecutor<'_>,
    filter: &WorkerFilter,
) -> sqlx::Result<Vec<WorkerSummary>> {
    sqlx::query_as(
        "SELECT w.worker_id, w.surface, w.name, w.created_date, w.end_date, w.end_cause,
                h.last_heartbeat_at AS last_heartbeat, w.status, w.status_as_of,
                (SELECT count(*) FROM read_models.game_server_instances i
                  WHERE i.worker_id = w.worker_id AND i.end_date IS NULL) AS open_instance_count,
                (SELECT count(*) FROM read_models.worker_requests r
                  WHERE r.worker_id = w.worker_id AND r.outcome = 'pending')
                    AS pending_request_count,
                w.position
           FROM read_models.workers w
           LEFT JOIN public.heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id
          WHERE w.worker_id < $1
            AND ($2::text IS NULL OR w.status = $2)
            AND ($3::boolean IS NULL OR (w.end_date IS NULL) = $3)
          ORDER BY w.worker_id DESC
          LIMIT $4",
    )
    .bind(filter.after)
    .bind(filter.status)
    .bind(filter.open)
    .bind(filter.limit + 1)
    .fetch_all(db)
    .await
}

async fn worker_with_id(
    db: impl PgExecutor<'_>,
    worker_id: i32,
) -> sqlx::Result<Option<WorkerSummary>> {
    sqlx::query_as(
        "SELECT w.worker_id, w.surface, w.name, w.created_date, w.end_date, w.end_cause,
                h.last_heartbeat_at AS last_heartbeat, w.status, w.status_as_of,
                (SELECT count(*) FROM read_models.game_server_instances i
                  WHERE i.worker_id = w.worker_id AND i.end_date IS NULL) AS open_instance_count,
                (SELECT count(*) FROM read_models.worker_requests r
                  WHERE r.worker_id = w.worker_id AND r.outcome = 'pending')
                    AS pending_request_count,
                w.position
           FROM read_models.workers w
           LEFT JOIN public.heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id
          WHERE w.worker_id = $1",
    )
    .bind(worker_id)
    .fetch_optional(db)
    .await
}

async fn pending_requests_of(
    db: impl PgExecutor<'_>,
    worker_id: i32,
) -> sqlx::Result<Vec<PendingRequest>> {
    sqlx::query_as(
        "SELECT request_id, worker_id, kind, game_server_config_id, game_server_instance_id,
                requested_at, requested_by, deadline
           FROM read_models.worker_requests
          WHERE worker_id = $1 AND outcome = 'pending'
          ORDER BY position, request_id",
    )
    .bind(worker_id)
    .fetch_all(db)
    .await
}
