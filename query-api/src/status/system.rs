//! How everything is, at a glance.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::v1::time::{iso, iso_option};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

use super::workers::PendingRequest;
use crate::read_models::snapshot;
use crate::{QueryApi, QueryError};

/// How everything is, in one consistent view.
#[derive(Debug, Serialize, ToSchema)]
pub struct System {
    /// How many workers there are.
    workers: Counts,
    /// How many instances there are.
    instances: Counts,
    /// What is asked of workers and has no outcome yet.
    pending_requests: PendingRequests,
    /// The log.
    log: Log,
    /// What the message broker has of it.
    published: Published,
    /// How far each projection of the log is, by name.
    projections: Vec<Projection>,
}

/// How many there are, ended ones included where nothing else is said.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Counts {
    /// All.
    total: i64,
    /// Those that have not ended.
    open: i64,
    /// By current status.
    #[sqlx(flatten)]
    by_status: ByStatus,
    /// Those that never had a status.
    without_status: i64,
}

/// How many have each current status.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub struct ByStatus {
    /// Those that exist and nothing was started yet.
    created: i64,
    /// Those that are being installed or started.
    initializing: i64,
    /// Those that run.
    running: i64,
    /// Those that fell silent.
    lost: i64,
    /// Those that ended as asked.
    complete: i64,
    /// Those that ended unasked, or never came up.
    crashed: i64,
}

/// What is asked of workers and has no outcome yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingRequests {
    /// How many there are.
    count: i64,
    /// The one that waits longest.
    #[schema(required)]
    oldest: Option<PendingRequest>,
}

/// The log.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Log {
    /// The position of its last event; 0 while there is none.
    head: i64,
    /// When that was recorded.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    recorded_at: Option<DateTime<Utc>>,
}

/// How far publishing is.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Published {
    /// The message broker has everything up to here.
    position: i64,
    /// How many events of the log it has not.
    lag: i64,
    /// How many of those before it could not be published and are put aside.
    parked_events: i64,
}

/// How far a projection is.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Projection {
    /// Its name.
    name: String,
    /// It has dealt with everything up to here.
    position: i64,
    /// How many events of the log it has not dealt with.
    lag: i64,
    /// How many of those before it could not be applied and are put aside, with those behind them.
    parked_events: i64,
    /// When it last moved.
    #[serde(serialize_with = "iso")]
    updated_at: DateTime<Utc>,
}

/// How everything is, at a glance.
#[utoipa::path(
    get,
    path = "/status/system",
    responses((status = 200, description = "How everything is", body = System))
)]
pub(super) async fn system(State(api): State<QueryApi>) -> Result<Json<System>, QueryError> {
    let mut reads = snapshot(&api.reads).await?;
    Ok(Json(System {
        workers: count_workers(&mut *reads).await?,
        instances: count_instances(&mut *reads).await?,
        pending_requests: PendingRequests {
            count: count_pending_requests(&mut *reads).await?,
            oldest: oldest_pending_request(&mut *reads).await?,
        },
        log: log(&mut *reads).await?,
        published: published(&mut *reads).await?,
        projections: projections(&mut *reads).await?,
    }))
}

async fn count_workers(db: impl PgExecutor<'_>) -> sqlx::Result<Counts> {
    sqlx::query_as(
        "SELECT count(*) AS total,
                count(*) FILTER (WHERE end_date IS NULL) AS open,
                count(*) FILTER (WHERE status = 'CREATED') AS created,
                count(*) FILTER (WHERE status = 'INITIALIZING') AS initializing,
                count(*) FILTER (WHERE status = 'RUNNING') AS running,
                count(*) FILTER (WHERE status = 'LOST') AS lost,
                count(*) FILTER (WHERE status = 'COMPLETE') AS complete,
                count(*) FILTER (WHERE status = 'CRASHED') AS crashed,
                count(*) FILTER (WHERE status IS NULL) AS without_status
           FROM read_models.workers",
    )
    .fetch_one(db)
    .await
}

async fn count_instances(db: impl PgExecutor<'_>) -> sqlx::Result<Counts> {
    sqlx::query_as(
        "SELECT count(*) AS total,
                count(*) FILTER (WHERE end_date IS NULL) AS open,
                count(*) FILTER (WHERE status = 'CREATED') AS created,
                count(*) FILTER (WHERE status = 'INITIALIZING') AS initializing,
                count(*) FILTER (WHERE status = 'RUNNING') AS running,
                count(*) FILTER (WHERE status = 'LOST') AS lost,
                count(*) FILTER (WHERE status = 'COMPLETE') AS complete,
                count(*) FILTER (WHERE status = 'CRASHED') AS crashed,
                count(*) FILTER (WHERE status IS NULL) AS without_status
           FROM read_models.game_server_instances",
    )
    .fetch_one(db)
    .await
}

async fn count_pending_requests(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM read_models.worker_requests WHERE outcome = 'pending'")
        .fetch_one(db)
        .await
}

async fn oldest_pending_request(db: impl PgExecutor<'_>) -> sqlx::Result<Option<PendingRequest>> {
    sqlx::query_as(
        "SELECT request_id, worker_id, kind, game_server_config_id, game_server_instance_id,
                requested_at, requested_by, deadline
           FROM read_models.worker_requests
          WHERE outcome = 'pending'
          ORDER BY requested_at, position
          LIMIT 1",
    )
    .fetch_optional(db)
    .await
}

async fn log(db: impl PgExecutor<'_>) -> sqlx::Result<Log> {
    sqlx::query_as(
        "SELECT position AS head, nullif(recorded_at, '-infinity') AS recorded_at
           FROM public.log_head",
    )
    .fetch_one(db)
    .await
}

async fn published(db: impl PgExecutor<'_>) -> sqlx::Result<Published> {
    sqlx::query_as(
        "SELECT coalesce(c.position, 0) AS position,
                greatest(0, head.position - coalesce(c.position, 0)) AS lag,
                (SELECT count(*) FROM public.parked_events WHERE subscription = 'relay') AS parked_events
           FROM public.log_head head LEFT JOIN public.checkpoints c ON c.name = 'relay'",
    )
    .fetch_one(db)
    .await
}

async fn projections(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Projection>> {
    sqlx::query_as(
        "SELECT c.name, c.position, greatest(0, head.position - c.position) AS lag, c.updated_at,
                (SELECT count(*) FROM public.parked_events WHERE subscription = c.name) AS parked_events
           FROM public.checkpoints c CROSS JOIN public.log_head head
          WHERE c.name LIKE 'projector.%'
          ORDER BY c.name",
    )
    .fetch_all(db)
    .await
}
