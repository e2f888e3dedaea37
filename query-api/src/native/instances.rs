//! Game server instances, with all that is known of their end and of their installation.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText, QueryText};
use service::problem::Problem;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgExecutor, Postgres, QueryBuilder, Row};
use utoipa::ToSchema;

use super::error;
use crate::read_models::StatusType;
use crate::{QueryApi, QueryError};

/// How many instances a page may have, and has if nobody says otherwise: an agent wants to see all
/// it runs.
const MOST: i64 = 1_000;

/// One run of a game server config on a worker.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = NativeGameServerInstance)]
pub(super) struct Instance {
    /// Its id.
    game_server_instance_id: Id,
    /// What runs.
    game_server_config_id: Id,
    /// The game server of that config.
    game_server_id: Id,
    /// Where it runs.
    worker_id: Id,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it ended; null while it is open.
    #[schema(required)]
    ended_at: Option<DateTime<Utc>>,
    /// Why it ended, for ManMan: `shutdown` if its worker says so.
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
    /// Its process on the game host.
    #[schema(required)]
    pid: Option<i32>,
    /// What the process exited with.
    #[schema(required)]
    exit_code: Option<i32>,
    /// The number of the signal that ended the process.
    #[schema(required)]
    signal: Option<i32>,
    /// Why it has this status, in words.
    #[schema(required)]
    reason: Option<String>,
    /// What it printed last before it got this status, oldest first.
    last_lines: Vec<String>,
    /// How far its installation has come, while it is being installed.
    #[sqlx(flatten)]
    #[schema(required, value_type = Option<Progress>)]
    progress: MaybeProgress,
}

impl Instance {
    /// Its current status, if it has one yet.
    pub(super) const fn status(&self) -> Option<StatusType> {
        self.status
    }
}

/// Progress, where there is some.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct MaybeProgress(Option<Progress>);

/// How far an installation has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InstallationProgress)]
pub(super) struct Progress {
    /// What is being done, in one word.
    phase: String,
    /// Of this phase, 0 to 100.
    #[schema(required)]
    percent: Option<i32>,
    /// Of this phase, in bytes.
    #[schema(required)]
    bytes_done: Option<i64>,
    /// Of this phase, in bytes.
    #[schema(required)]
    bytes_total: Option<i64>,
}

impl FromRow<'_, PgRow> for MaybeProgress {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Some(phase) = row.try_get("progress_phase")? else { return Ok(Self(None)) };
        Ok(Self(Some(Progress {
            phase,
            percent: row.try_get("progress_percent")?,
            bytes_done: row.try_get("progress_bytes_done")?,
            bytes_total: row.try_get("progress_bytes_total")?,
        })))
    }
}

/// One page of instances, by id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NativeGameServerInstancePage)]
pub(super) struct Page {
    /// At most `limit` instances.
    game_server_instances: Vec<Instance>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<Id>,
}

/// Which instances a list has.
struct Filter {
    worker_id: Option<i32>,
    open: Option<bool>,
    after: i32,
    limit: i64,
}

/// Instances by id.
#[utoipa::path(
    get,
    path = "/v1/game-server-instances",
    params(
        ("worker_id" = Option<Id>, Query, description = "Only those on this worker"),
        ("open" = Option<bool>, Query, description = "Only open ones, or only ended ones"),
        ("limit" = Option<i64>, Query, description = "How many at most, 1 to 1000; 1000 without it"),
        ("after" = Option<Id>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of instances", body = Page),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_instances(
    State(api): State<QueryApi>,
    query: QueryText,
) -> Result<Json<Page>, Problem> {
    let limit = query.number("limit", 1..=MOST)?.unwrap_or(MOST);
    let worker_id = query.id("worker_id")?;
    let after = query.id("after")?.unwrap_or(Some(0)).unwrap_or(i32::MAX);
    let open = query.flag("open")?;
    // No worker has an id as large, and so none of its instances is found.
    let worker_id = worker_id.map(|id| id.unwrap_or(-1));
    let filter = Filter { worker_id, open, after, limit };
    let mut instances = instances_like(&api.reads, &filter).await.map_err(QueryError::from)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = instances.len() <= limit;
    instances.truncate(limit);
    let last = instances.last().filter(|_| !is_last);
    let next = last.map(|instance| instance.game_server_instance_id);
    Ok(Json(Page { game_server_instances: instances, next }))
}

/// An instance, open or ended.
#[utoipa::path(
    get,
    path = "/v1/game-server-instances/{id}",
    params(("id" = Id, Path, description = "Id of the instance")),
    responses(
        (status = 200, description = "The instance", body = Instance),
        (status = 404, description = "`game_server_instance_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_instance(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<Instance>, Problem> {
    let id = path.id("id")?.ok_or_else(error::instance_not_found)?;
    let instance = instance(&api.reads, id).await.map_err(QueryError::from)?;
    instance.map(Json).ok_or_else(error::instance_not_found)
}

const INSTANCES: &str = "
    SELECT i.game_server_instance_id, i.game_server_config_id, i.game_server_id, i.worker_id,
           i.created_date AS created_at, i.end_date AS ended_at, i.end_cause, i.status,
           i.status_as_of, h.last_heartbeat_at, i.pid, i.exit_code, i.exit_signal AS signal,
           i.status_reason AS reason, coalesce(i.last_lines, '{}') AS last_lines, i.progress_phase,
           i.progress_percent, i.progress_bytes_done, i.progress_bytes_total
      FROM read_models.game_server_instances i
      LEFT JOIN public.heartbeats h
             ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
     WHERE ";

pub(super) async fn instance(db: impl PgExecutor<'_>, id: i32) -> sqlx::Result<Option<Instance>> {
    let mut query = QueryBuilder::<Postgres>::new(INSTANCES);
    query.push("i.game_server_instance_id = ").push_bind(id);
    query.build_query_as().fetch_optional(db).await
}

/// One more than the limit, to see whether there is more. Only the conditions that are asked for, so
/// that the index of open instances is used for them.
async fn instances_like(db: impl PgExecutor<'_>, filter: &Filter) -> sqlx::Result<Vec<Instance>> {
    let mut query = QueryBuilder::<Postgres>::new(INSTANCES);
    query.push("i.game_server_instance_id > ").push_bind(filter.after);
    if let Some(worker_id) = filter.worker_id {
        query.push(" AND i.worker_id = ").push_bind(worker_id);
    }
    match filter.open {
        Some(true) => query.push(" AND i.end_date IS NULL"),
        Some(false) => query.push(" AND i.end_date IS NOT NULL"),
        None => &mut query,
    };
    query.push(" ORDER BY i.game_server_instance_id LIMIT ").push_bind(filter.limit + 1);
    query.build_query_as().fetch_all(db).await
}
