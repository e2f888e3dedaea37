//! Servers as users think of them: a config, whatever instance of it there is. What is asked here goes on while instances
//! come and go.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText, QueryText};
use service::problem::Problem;
use sqlx::PgExecutor;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::catalogue::{self, GameServerConfig};
use super::error;
use super::events::{self, Page};
use super::instances::{self, Instance};
use super::output::{self, Output};
use crate::error::in_time;
use crate::read_models::StatusType;
use crate::{QueryApi, QueryError};

/// The longest a read waits for what it is to show, in seconds: less than a request may take.
const LONGEST_WAIT: i64 = 25;
/// How often it looks again. One who waits costs as much as one who asks as often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A config and its newest instance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Server {
    /// Its id: that of the config.
    server_id: Id,
    /// What it runs.
    config: GameServerConfig,
    /// The newest instance, open or ended; null before the first one.
    #[schema(required)]
    instance: Option<Instance>,
}

/// A server.
#[utoipa::path(
    get,
    path = "/v1/servers/{id}",
    params(
        ("id" = Id, Path, description = "Id of the config"),
        ("until" = Option<StatusType>, Query, description = "Wait until its newest instance has this status"),
        ("wait" = Option<i64>, Query, description = "How long at most, in seconds, 0 to 25; 25 without it. Then it is shown as it is"),
    ),
    responses(
        (status = 200, description = "The server", body = Server),
        (status = 404, description = "`game_server_config_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_server(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<Server>, Problem> {
    let id = path.id("id")?.ok_or_else(error::config_not_found)?;
    let until = query.word("until", &StatusType::ALL.map(StatusType::as_str))?;
    let deadline = deadline(&query, until.is_some())?;
    let config = in_time(catalogue::config(&api.reads, id)).await.map_err(QueryError::from)?;
    let config = config.ok_or_else(error::config_not_found)?;
    loop {
        let instance = in_time(newest(&api, id)).await.map_err(QueryError::from)?;
        let status = instance.as_ref().and_then(Instance::status);
        let is_so = until.is_none_or(|until| status.is_some_and(|status| status.as_str() == until));
        if is_so || Instant::now() >= deadline {
            return Ok(Json(Server { server_id: Id(id), config, instance }));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The end of what a server's newest instance printed.
#[utoipa::path(
    get,
    path = "/v1/servers/{id}/output",
    params(
        ("id" = Id, Path, description = "Id of the config"),
        ("contains" = Option<String>, Query, description = "Wait until one of the last lines contains this text"),
        ("wait" = Option<i64>, Query, description = "How long at most, in seconds, 0 to 25; 25 without it. Then it is shown as it is"),
    ),
    responses(
        (status = 200, description = "Its output", body = Output),
        (status = 404, description = "`output_not_found`: nothing was told yet", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_server_output(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<Output>, Problem> {
    let id = path.id("id")?.ok_or_else(error::output_not_found)?;
    let contains = query.text("contains");
    let deadline = deadline(&query, contains.is_some())?;
    loop {
        let output = in_time(newest_output(&api, id)).await.map_err(QueryError::from)?;
        let is_so = contains.is_none_or(|text| output.as_ref().is_some_and(|it| it.contains(text)));
        if is_so || Instant::now() >= deadline {
            return output.map(Json).ok_or_else(error::output_not_found);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// What was asked of a server and what happened to its instances, oldest first.
#[utoipa::path(
    get,
    path = "/v1/servers/{id}/events",
    params(
        ("id" = Id, Path, description = "Id of the config"),
        ("after" = Option<i64>, Query, description = "Only events after this position, such as the `next` of the page before"),
        ("limit" = Option<i64>, Query, description = "How many at most, 1 to 1000; 100 without it"),
    ),
    responses(
        (status = 200, description = "A page of events", body = Page),
        (status = 404, description = "`game_server_config_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_events_of_server(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<Page>, Problem> {
    let id = path.id("id")?.ok_or_else(error::config_not_found)?;
    let range = events::Range::read(&query)?;
    let config = catalogue::config(&api.reads, id).await.map_err(QueryError::from)?;
    config.ok_or_else(error::config_not_found)?;
    let events = events::of_config(&api.reads, id, &range).await.map_err(QueryError::from)?;
    Ok(Json(range.page(events)))
}

/// By when an answer is due; at once for who waits for nothing.
fn deadline(query: &QueryText, waits: bool) -> Result<Instant, Problem> {
    let seconds = query.number("wait", 0..=LONGEST_WAIT)?.unwrap_or(LONGEST_WAIT);
    let seconds = if waits { u64::try_from(seconds).unwrap_or_default() } else { 0 };
    Ok(Instant::now() + Duration::from_secs(seconds))
}

async fn newest(api: &QueryApi, config_id: i32) -> sqlx::Result<Option<Instance>> {
    match newest_id(&api.reads, config_id).await? {
        Some(id) => instances::instance(&api.reads, id).await,
        None => Ok(None),
    }
}

async fn newest_output(api: &QueryApi, config_id: i32) -> sqlx::Result<Option<Output>> {
    match newest_id(&api.reads, config_id).await? {
        Some(id) => output::output(&api.reads, id).await,
        None => Ok(None),
    }
}

/// The one that began last.
async fn newest_id(db: impl PgExecutor<'_>, config_id: i32) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar(
        "SELECT game_server_instance_id
           FROM read_models.game_server_instances
          WHERE game_server_config_id = $1
          ORDER BY created_date DESC, game_server_instance_id DESC
          LIMIT 1",
    )
    .bind(config_id)
    .fetch_optional(db)
    .await
}
