//! Game server instances, as v1 shows them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use service::v1::time::{iso, iso_option};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

/// One run of a game server config on a worker.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct GameServerInstance {
    /// Its id.
    pub game_server_instance_id: i32,
    /// What runs.
    pub game_server_config_id: i32,
    /// Where it runs.
    pub worker_id: i32,
    /// When it was created.
    #[serde(serialize_with = "iso")]
    pub created_date: DateTime<Utc>,
    /// When it ended; null while it is active.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    pub end_date: Option<DateTime<Utc>>,
    /// When it was last heard of.
    #[serde(serialize_with = "iso_option")]
    #[schema(required)]
    pub last_heartbeat: Option<DateTime<Utc>>,
}

/// Any instance, ended or not.
pub(crate) async fn instance(
    db: impl PgExecutor<'_>,
    instance_id: i32,
) -> sqlx::Result<Option<GameServerInstance>> {
    sqlx::query_as(
        "SELECT i.game_server_instance_id, i.game_server_config_id, i.worker_id, i.created_date,
                i.end_date, h.last_heartbeat_at AS last_heartbeat
           FROM read_models.game_server_instances i
           LEFT JOIN public.heartbeats h
                  ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE i.game_server_instance_id = $1",
    )
    .bind(instance_id)
    .fetch_optional(db)
    .await
}

/// The active instances of a worker, by id.
pub(crate) async fn active_instances(
    db: impl PgExecutor<'_>,
    worker_id: i32,
) -> sqlx::Result<Vec<GameServerInstance>> {
    sqlx::query_as(
        "SELECT i.game_server_instance_id, i.game_server_config_id, i.worker_id, i.created_date,
                i.end_date, h.last_heartbeat_at AS last_heartbeat
           FROM read_models.game_server_instances i
           LEFT JOIN public.heartbeats h
                  ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE i.worker_id = $1 AND i.end_date IS NULL
          ORDER BY i.game_server_instance_id",
    )
    .bind(worker_id)
    .fetch_all(db)
    .await
}

/// Of each config that a worker does not run, the instance there that crashed last, if any did.
pub(crate) async fn last_crashed_instances(
    db: impl PgExecutor<'_>,
    worker_id: i32,
) -> sqlx::Result<Vec<GameServerInstance>> {
    sqlx::query_as(
        "SELECT crashed.game_server_instance_id, crashed.game_server_config_id, crashed.worker_id,
                crashed.created_date, crashed.end_date, h.last_heartbeat_at AS last_heartbeat
           FROM (SELECT DISTINCT ON (c.game_server_config_id)
                        c.game_server_instance_id, c.game_server_config_id, c.worker_id,
                        c.created_date, c.end_date
                   FROM read_models.game_server_instances c
                  WHERE c.worker_id = $1 AND c.has_crashed AND c.end_date IS NOT NULL
                  ORDER BY c.game_server_config_id, c.end_date DESC,
                           c.game_server_instance_id DESC) crashed
           LEFT JOIN public.heartbeats h
                  ON h.entity = 'game_server_instance'
                 AND h.entity_id = crashed.game_server_instance_id
          WHERE NOT EXISTS (SELECT FROM read_models.game_server_instances active
                             WHERE active.worker_id = $1 AND active.end_date IS NULL
                               AND active.game_server_config_id = crashed.game_server_config_id)
          ORDER BY crashed.game_server_instance_id",
    )
    .bind(worker_id)
    .fetch_all(db)
    .await
}
