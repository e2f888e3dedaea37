//! What was asked of workers, and what came of it. Agents look here for what they missed.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText, QueryText};
use service::problem::Problem;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error;
use crate::read_models::snapshot;
use crate::{QueryApi, QueryError};

/// How many commands are listed beside pending ones.
const LAST: i64 = 100;

/// Something asked of a worker.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = WorkerCommand)]
pub(super) struct Command {
    /// Its id.
    command_id: Uuid,
    /// The worker it is for.
    worker_id: Id,
    /// `start`, `stop`, `stdin` or `shutdown`.
    kind: String,
    /// The config it is about; null for a shutdown.
    #[schema(required)]
    game_server_config_id: Option<Id>,
    /// The instance that was meant, or that shows the outcome.
    #[schema(required)]
    game_server_instance_id: Option<Id>,
    /// For the console, joined with blanks to one line.
    words: Vec<String>,
    /// When it was asked.
    requested_at: DateTime<Utc>,
    /// Who asked, as `user/ada`.
    requested_by: String,
    /// When it counts as timed out.
    deadline: DateTime<Utc>,
    /// `pending`, `fulfilled`, `refused`, `failed` or `timed_out`.
    outcome: String,
    /// Why it was refused, or why it failed.
    #[schema(required)]
    reason: Option<String>,
    /// When the outcome was recorded.
    #[schema(required)]
    resolved_at: Option<DateTime<Utc>>,
}

/// Commands, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkerCommandPage)]
pub(super) struct Page {
    /// The commands.
    commands: Vec<Command>,
    /// Always null: there is no further page.
    #[schema(required)]
    next: Option<String>,
}

/// What was asked of a worker: its last 100 commands, or all that have no outcome yet.
#[utoipa::path(
    get,
    path = "/v1/workers/{id}/commands",
    params(
        ("id" = Id, Path, description = "Id of the worker"),
        ("outcome" = Option<String>, Query, description = "`pending`: all that have no outcome yet"),
    ),
    responses(
        (status = 200, description = "The commands, oldest first", body = Page),
        (status = 404, description = "`worker_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_commands_of_worker(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<Page>, Problem> {
    let id = path.id("id")?.ok_or_else(error::worker_not_found)?;
    let only_pending = query.word("outcome", &["pending"])?.is_some();
    let commands = commands_of(&api, id, only_pending).await?;
    let commands = commands.ok_or_else(error::worker_not_found)?;
    Ok(Json(Page { commands, next: None }))
}

/// A command.
#[utoipa::path(
    get,
    path = "/v1/commands/{command_id}",
    params(("command_id" = Uuid, Path, description = "Id of the command")),
    responses(
        (status = 200, description = "The command", body = Command),
        (status = 404, description = "`command_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_command(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<Command>, Problem> {
    let command = command(&api.reads, path.uuid("command_id")?).await;
    command.map_err(QueryError::from)?.map(Json).ok_or_else(error::command_not_found)
}

/// `None`: there is no such worker.
async fn commands_of(
    api: &QueryApi,
    worker_id: i32,
    only_pending: bool,
) -> Result<Option<Vec<Command>>, QueryError> {
    let mut reads = snapshot(&api.reads).await?;
    let commands = if only_pending {
        pending_commands_of(&mut *reads, worker_id).await?
    } else {
        last_commands_of(&mut *reads, worker_id).await?
    };
    if commands.is_empty() && !is_worker(&mut *reads, worker_id).await? {
        return Ok(None);
    }
    Ok(Some(commands))
}

async fn pending_commands_of(
    db: impl PgExecutor<'_>,
    worker_id: i32,
) -> sqlx::Result<Vec<Command>> {
    sqlx::query_as(
        "SELECT request_id AS command_id, worker_id, kind, game_server_config_id,
                game_server_instance_id, coalesce(words, '{}') AS words, requested_at, requested_by,
                deadline, outcome, reason, resolved_at
           FROM read_models.worker_requests
          WHERE worker_id = $1 AND outcome = 'pending'
          ORDER BY position, request_id",
    )
    .bind(worker_id)
    .fetch_all(db)
    .await
}

/// By when they were asked: the position of one that has an outcome is that of the outcome.
async fn last_commands_of(db: impl PgExecutor<'_>, worker_id: i32) -> sqlx::Result<Vec<Command>> {
    let mut commands: Vec<Command> = sqlx::query_as(
        "SELECT request_id AS command_id, worker_id, kind, game_server_config_id,
                game_server_instance_id, coalesce(words, '{}') AS words, requested_at, requested_by,
                deadline, outcome, reason, resolved_at
           FROM read_models.worker_requests
          WHERE worker_id = $1
          ORDER BY requested_at DESC, request_id DESC
          LIMIT $2",
    )
    .bind(worker_id)
    .bind(LAST)
    .fetch_all(db)
    .await?;
    commands.reverse();
    Ok(commands)
}

async fn command(db: impl PgExecutor<'_>, command_id: Uuid) -> sqlx::Result<Option<Command>> {
    sqlx::query_as(
        "SELECT request_id AS command_id, worker_id, kind, game_server_config_id,
                game_server_instance_id, coalesce(words, '{}') AS words, requested_at, requested_by,
                deadline, outcome, reason, resolved_at
           FROM read_models.worker_requests
          WHERE request_id = $1",
    )
    .bind(command_id)
    .fetch_optional(db)
    .await
}

async fn is_worker(db: impl PgExecutor<'_>, worker_id: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM read_models.workers WHERE worker_id = $1)")
        .bind(worker_id)
        .fetch_one(db)
        .await
}
