//! Workers, as v1 shows them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use service::v1::time::{iso, iso_option};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

use crate::error::in_time;

/// An agent on a game host.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct Worker {
    /// Its id.
    pub worker_id: i32,
    /// When it registered.
    #[serde(serialize_with = "iso")]
    pub created_date: DateTime<Utc>,
    /// When it was closed; null while it is open.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    pub end_date: Option<DateTime<Utc>>,
    /// When it was last heard of.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    pub last_heartbeat: Option<DateTime<Utc>>,
}

/// The worker that requests without a worker id are for: the newest open one that speaks v1 and is
/// not LOST, else the newest open one that is not LOST, else the newest open one.
///
/// Sees the read models as they are: whoever must not miss a worker that just registered first
/// awaits [`crate::Freshness::caught_up`].
///
/// # Errors
/// When the database cannot be asked.
pub async fn current_worker(db: impl PgExecutor<'_>) -> sqlx::Result<Option<Worker>> {
    let found = sqlx::query_as(
        "SELECT w.worker_id, w.created_date, w.end_date, h.last_heartbeat_at AS last_heartbeat
           FROM (SELECT worker_id, created_date, end_date
                   FROM read_models.workers
                  WHERE end_date IS NULL
                  ORDER BY (surface = 'v1' AND status IS DISTINCT FROM 'LOST') DESC,
                           (status IS DISTINCT FROM 'LOST') DESC, created_date DESC, worker_id DESC
                  LIMIT 1) w
           LEFT JOIN public.heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id",
    )
    .fetch_optional(db);
    in_time(found).await
}

/// The ids of the open workers that speak v1, except one: those that give way to it when it asks for
/// all others to be shut down.
///
/// Sees the read models as they are, as [`current_worker`] does.
///
/// # Errors
/// When the database cannot be asked.
pub async fn other_open_v1_workers(
    db: impl PgExecutor<'_>,
    worker_id: i32,
) -> sqlx::Result<Vec<i32>> {
    let found = sqlx::query_scalar(
        "SELECT worker_id FROM read_models.workers
          WHERE end_date IS NULL AND surface = 'v1' AND worker_id <> $1
          ORDER BY worker_id",
    )
    .bind(worker_id)
    .fetch_all(db);
    in_time(found).await
}
