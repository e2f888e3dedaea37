//! Game server configs, as v1 shows them.

use serde::Serialize;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

/// How a game server is run.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct GameServerConfig {
    /// Its id.
    pub game_server_config_id: i32,
    /// The game server it runs.
    pub game_server_id: i32,
    /// Whether it is the one to take where none is named.
    pub is_default: bool,
    /// Whether users see it in lists.
    pub is_visible: bool,
    /// Unique within its game server.
    pub name: String,
    /// Path of the program, relative to where the game server is installed.
    pub executable: String,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Environment of the program, as `NAME=value`.
    pub env_var: Vec<String>,
    /// Commands to run after an install.
    pub post_install_commands: Vec<String>,
}

/// Any config, visible or not.
pub(crate) async fn config(
    db: impl PgExecutor<'_>,
    config_id: i32,
) -> sqlx::Result<Option<GameServerConfig>> {
    Ok(configs_of(db, &[config_id]).await?.pop())
}

/// The configs with these ids, in the order of the ids.
pub(crate) async fn configs_of(
    db: impl PgExecutor<'_>,
    ids: &[i32],
) -> sqlx::Result<Vec<GameServerConfig>> {
    sqlx::query_as(
        "SELECT c.game_server_config_id, c.game_server_id, c.is_default, c.is_visible, c.name,
                c.executable, c.args, c.env_var, c.post_install_commands
           FROM unnest($1::int[]) WITH ORDINALITY AS used (game_server_config_id, place)
           JOIN read_models.game_server_configs c USING (game_server_config_id)
          ORDER BY used.place",
    )
    .bind(ids)
    .fetch_all(db)
    .await
}

/// The configs that users see, by name.
pub(crate) async fn visible_configs(
    db: impl PgExecutor<'_>,
) -> sqlx::Result<Vec<GameServerConfig>> {
    sqlx::query_as(
        "SELECT game_server_config_id, game_server_id, is_default, is_visible, name, executable,
                args, env_var, post_install_commands
           FROM read_models.game_server_configs
          WHERE is_visible
          ORDER BY name, game_server_config_id",
    )
    .fetch_all(db)
    .await
}
