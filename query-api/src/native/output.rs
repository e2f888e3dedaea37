//! What instances print: the end of it, as their agent told it last. Telemetry, as heartbeats are.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText};
use service::problem::Problem;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

use super::error;
use crate::{QueryApi, QueryError};

/// The end of what an instance printed.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = InstanceOutput)]
pub(super) struct Output {
    /// The instance.
    game_server_instance_id: Id,
    /// How many lines it printed in all.
    lines_total: i64,
    /// The last of them, oldest first.
    tail: Vec<String>,
    /// When its agent told it.
    as_of: DateTime<Utc>,
}

impl Output {
    /// Whether one of the last lines contains this text.
    pub(super) fn contains(&self, text: &str) -> bool {
        self.tail.iter().any(|line| line.contains(text))
    }
}

/// The end of what an instance printed. Once it ended, it is kept for 30 days after it changed last.
#[utoipa::path(
    get,
    path = "/v1/game-server-instances/{id}/output",
    params(("id" = Id, Path, description = "Id of the instance")),
    responses(
        (status = 200, description = "Its output", body = Output),
        (status = 404, description = "`output_not_found`: nothing was told yet, or too long ago", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_instance_output(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<Output>, Problem> {
    let id = path.id("id")?.ok_or_else(error::output_not_found)?;
    let output = output(&api.reads, id).await.map_err(QueryError::from)?;
    output.map(Json).ok_or_else(error::output_not_found)
}

pub(super) async fn output(
    db: impl PgExecutor<'_>,
    instance_id: i32,
) -> sqlx::Result<Option<Output>> {
    sqlx::query_as(
        "SELECT game_server_instance_id, lines_total, tail, as_of
           FROM public.instance_output
          WHERE game_server_instance_id = $1",
    )
    .bind(instance_id)
    .fetch_optional(db)
    .await
}
