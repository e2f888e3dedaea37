//! Game servers, as v1 shows them.

use serde::Serialize;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

/// A kind of game server.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct GameServer {
    /// Its id.
    pub game_server_id: i32,
    /// Unique within its server type.
    pub name: String,
    /// 1 (Steam) for all of them: v1 clients know no other number and refuse what they do not know.
    #[schema(minimum = 1, maximum = 1)]
    pub server_type: i32,
    /// The id of its application on Steam.
    pub app_id: i32,
}

/// One game server.
pub(crate) async fn game_server(
    db: impl PgExecutor<'_>,
    game_server_id: i32,
) -> sqlx::Result<Option<GameServer>> {
    sqlx::query_as(
        "SELECT game_server_id, name, 1 AS server_type, app_id
           FROM read_models.game_servers
          WHERE game_server_id = $1",
    )
    .bind(game_server_id)
    .fetch_optional(db)
    .await
}

/// All game servers, by id.
pub(crate) async fn game_servers(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<GameServer>> {
    sqlx::query_as(
        "SELECT game_server_id, name, 1 AS server_type, app_id
           FROM read_models.game_servers
          ORDER BY game_server_id",
    )
    .fetch_all(db)
    .await
}
