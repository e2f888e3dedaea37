//! The past and present of a game server.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::v1::schema::HttpValidationError;
use service::v1::time::{iso, iso_option};
use service::v1::{Check, PathText, QueryText, V1Error};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

use crate::request::too_small;
use crate::{QueryApi, QueryError};

/// v1 has no limit to the limit. Here a larger one counts as this, so that no request can ask for a
/// whole table.
const MOST: i64 = 10_000;

/// Instances of a game server, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstanceHistoryResponse {
    /// The number in the path, whether or not there is such a game server.
    game_server_id: i64,
    /// At most `limit` instances.
    instances: Vec<InstanceHistoryItem>,
}

/// An instance as history.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct InstanceHistoryItem {
    /// Its id.
    game_server_instance_id: i32,
    /// What ran.
    game_server_config_id: i32,
    /// When it was created.
    #[serde(serialize_with = "iso")]
    created_date: DateTime<Utc>,
    /// When it ended; null while it is active.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    end_date: Option<DateTime<Utc>>,
    /// Whole seconds until its end, or until now. v1 calls it nullable; it never is.
    #[schema(required)]
    runtime_seconds: Option<i32>,
    /// `running` or `stopped`.
    status: String,
}

/// The instances of all configs of a game server, on all workers, newest first.
#[utoipa::path(
    get,
    path = "/gameserver/{game_server_id}/instances",
    params(
        ("game_server_id" = i32, Path, description = "Id of the game server"),
        ("limit" = Option<i64>, Query, description = "How many at most; 10 without it"),
    ),
    responses(
        (status = 200, description = "Its instances", body = InstanceHistoryResponse),
        (status = 422, description = "Id or limit does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn instance_history(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<InstanceHistoryResponse>, QueryError> {
    let mut check = Check::new();
    let id = check.path_int(&path, "game_server_id");
    let limit = check.query_int(&query, "limit", 10);
    let (id, limit) = check.finish(|| id.zip(limit))?;
    if limit.saturated() < 0 {
        let msg = "Input should be greater than or equal to 0";
        return Err(V1Error::Invalid(vec![too_small("limit", limit, 0, msg)]).into());
    }
    let instances = match id.id() {
        Some(id) => instances_of(&api.reads, id, limit.saturated().min(MOST)).await?,
        None => vec![],
    };
    Ok(Json(InstanceHistoryResponse { game_server_id: id.saturated(), instances }))
}

async fn instances_of(
    db: impl PgExecutor<'_>,
    game_server_id: i32,
    limit: i64,
) -> sqlx::Result<Vec<InstanceHistoryItem>> {
    sqlx::query_as(
        "SELECT game_server_instance_id, game_server_config_id, created_date, end_date,
                greatest(0, floor(extract(epoch FROM coalesce(end_date, now()) - created_date))
                )::int AS runtime_seconds,
                CASE WHEN end_date IS NULL THEN 'running' ELSE 'stopped' END AS status
           FROM read_models.game_server_instances
          WHERE game_server_id = $1
          ORDER BY created_date DESC, game_server_instance_id DESC
          LIMIT $2",
    )
    .bind(game_server_id)
    .bind(limit)
    .fetch_all(db)
    .await
}
