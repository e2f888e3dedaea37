//! Servers: what could run and what does, for dashboards.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service::v1::time::{iso, iso_option};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

use crate::read_models::StatusType;
use crate::{QueryApi, QueryError};

/// Every game server config, with what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Servers {
    /// By name of the game server, then of the config.
    servers: Vec<Server>,
}

/// A game server config, with its newest open instance, or else its newest one.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Server {
    /// Its id.
    game_server_config_id: i32,
    /// Its name.
    name: String,
    /// The game server it runs.
    game_server_id: i32,
    /// The name of that.
    game_server_name: String,
    /// How that is installed: `STEAM` and the like.
    server_type: String,
    /// Whether it is the one to take where none is named.
    is_default: bool,
    /// Whether users see it in lists.
    is_visible: bool,
    /// Null if it never ran.
    #[sqlx(json(nullable))]
    #[schema(required)]
    instance: Option<ServerInstance>,
}

/// An instance of a config, open or ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerInstance {
    /// Its id.
    game_server_instance_id: i32,
    /// Where it runs or ran.
    worker_id: i32,
    /// When it was created.
    #[serde(serialize_with = "iso")]
    created_date: DateTime<Utc>,
    /// When it ended; null while it is open.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    end_date: Option<DateTime<Utc>>,
    /// Why it ended.
    #[schema(required)]
    end_cause: Option<String>,
    /// Its current status; null before the first one.
    #[schema(required)]
    status: Option<StatusType>,
    /// Since when it has this status.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    status_as_of: Option<DateTime<Utc>>,
}

/// Every open instance.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActiveServers {
    /// By instance id.
    servers: Vec<ActiveServer>,
}

/// An open instance, with the names of what it runs.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct ActiveServer {
    /// Its id.
    game_server_instance_id: i32,
    /// What it runs.
    game_server_config_id: i32,
    /// The name of that.
    config_name: String,
    /// The game server it runs.
    game_server_id: i32,
    /// The name of that.
    game_server_name: String,
    /// Where it runs.
    worker_id: i32,
    /// The name of that worker; v1 workers have none.
    #[schema(required)]
    worker_name: Option<String>,
    /// When it was created.
    #[serde(serialize_with = "iso")]
    created_date: DateTime<Utc>,
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
    /// The last event that changed something of this, the heartbeat aside.
    position: i64,
}

/// Every game server config, with its newest open instance, or else its newest one.
#[utoipa::path(
    get,
    path = "/status/servers",
    responses((status = 200, description = "All configs", body = Servers))
)]
pub(super) async fn servers(State(api): State<QueryApi>) -> Result<Json<Servers>, QueryError> {
    let servers = all_servers(&api.reads).await?;
    Ok(Json(Servers { servers }))
}

/// Every open instance.
#[utoipa::path(
    get,
    path = "/status/servers/active",
    responses((status = 200, description = "All open instances", body = ActiveServers))
)]
pub(super) async fn active_servers(
    State(api): State<QueryApi>,
) -> Result<Json<ActiveServers>, QueryError> {
    let servers = open_instances(&api.reads, None).await?;
    Ok(Json(ActiveServers { servers }))
}

async fn all_servers(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Server>> {
    sqlx::query_as(
        "SELECT c.game_server_config_id, c.name, c.game_server_id, g.name AS game_server_name,
                g.server_type, c.is_default, c.is_visible, to_json(i) AS instance
           FROM read_models.game_server_configs c
           JOIN read_models.game_servers g USING (game_server_id)
           LEFT JOIN LATERAL (
                SELECT n.game_server_instance_id, n.worker_id, n.created_date, n.end_date,
                       n.end_cause, n.status, n.status_as_of
                  FROM read_models.game_server_instances n
                 WHERE n.game_server_id = c.game_server_id
                   AND n.game_server_config_id = c.game_server_config_id
                 ORDER BY (n.end_date IS NULL) DESC, n.created_date DESC,
                          n.game_server_instance_id DESC
                 LIMIT 1) i ON true
          ORDER BY g.name, c.name, c.game_server_config_id",
    )
    .fetch_all(db)
    .await
}

/// The open instances of one worker, or of all.
pub(super) async fn open_instances(
    db: impl PgExecutor<'_>,
    worker_id: Option<i32>,
) -> sqlx::Result<Vec<ActiveServer>> {
    sqlx::query_as(
        "SELECT i.game_server_instance_id, i.game_server_config_id, c.name AS config_name,
                i.game_server_id, g.name AS game_server_name, i.worker_id,
                w.name AS worker_name, i.created_date,
                h.last_heartbeat_at AS last_heartbeat, i.status, i.status_as_of, i.position
           FROM read_models.game_server_instances i
           JOIN read_models.game_server_configs c USING (game_server_config_id)
           JOIN read_models.game_servers g ON g.game_server_id = i.game_server_id
           JOIN read_models.workers w USING (worker_id)
           LEFT JOIN public.heartbeats h
                  ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE i.end_date IS NULL AND ($1::int IS NULL OR i.worker_id = $1)
          ORDER BY i.game_server_instance_id",
    )
    .bind(worker_id)
    .fetch_all(db)
    .await
}
