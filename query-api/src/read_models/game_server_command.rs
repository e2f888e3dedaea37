//! Console commands of game servers, and the values offered for them, as v1 shows them.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

/// A console command that a game server understands, as a template.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow, ToSchema)]
pub struct GameServerCommand {
    /// Its id.
    pub game_server_command_id: i32,
    /// The game server that understands it.
    pub game_server_id: i32,
    /// Unique within its game server.
    pub name: String,
    /// The text for the console, with `{value}` where a value goes.
    pub command: String,
    /// What it does.
    #[schema(required)]
    pub description: Option<String>,
    /// Whether users see it in lists.
    pub is_visible: bool,
}

/// A value for a command, offered with every config of the game server.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct GameServerCommandDefaultWithCommand {
    /// Its id.
    pub game_server_command_default_id: i32,
    /// The command it is for.
    pub game_server_command_id: i32,
    /// The value.
    pub command_value: String,
    /// What it does.
    #[schema(required)]
    pub description: Option<String>,
    /// Whether users see it in lists.
    pub is_visible: bool,
    /// The command it is for.
    #[sqlx(json)]
    pub game_server_command: GameServerCommand,
}

/// A value for a command, offered with one config.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct GameServerConfigCommandWithCommand {
    /// Its id.
    pub game_server_config_command_id: i32,
    /// The config it is offered with.
    pub game_server_config_id: i32,
    /// The command it is for.
    pub game_server_command_id: i32,
    /// The value.
    pub command_value: String,
    /// What it does.
    #[schema(required)]
    pub description: Option<String>,
    /// Whether users see it in lists.
    pub is_visible: bool,
    /// The command it is for.
    #[sqlx(json)]
    pub game_server_command: GameServerCommand,
}

/// The commands of a game server that users see, by name.
pub(crate) async fn visible_commands(
    db: impl PgExecutor<'_>,
    game_server_id: i32,
) -> sqlx::Result<Vec<GameServerCommand>> {
    sqlx::query_as(
        "SELECT game_server_command_id, game_server_id, name, command, description, is_visible
           FROM read_models.game_server_commands
          WHERE game_server_id = $1 AND is_visible
          ORDER BY name, game_server_command_id",
    )
    .bind(game_server_id)
    .fetch_all(db)
    .await
}

/// The visible values of a game server's commands. Whether the command itself is visible does not
/// matter.
pub(crate) async fn visible_defaults(
    db: impl PgExecutor<'_>,
    game_server_id: i32,
) -> sqlx::Result<Vec<GameServerCommandDefaultWithCommand>> {
    sqlx::query_as(
        "SELECT d.game_server_command_default_id, d.game_server_command_id, d.command_value,
                d.description, d.is_visible, to_json(c) AS game_server_command
           FROM read_models.game_server_command_defaults d
           JOIN read_models.game_server_commands c USING (game_server_command_id)
          WHERE d.game_server_id = $1 AND d.is_visible
          ORDER BY d.game_server_command_default_id",
    )
    .bind(game_server_id)
    .fetch_all(db)
    .await
}

/// The visible values of a config. Whether the command itself is visible does not matter.
pub(crate) async fn visible_config_commands(
    db: impl PgExecutor<'_>,
    config_id: i32,
) -> sqlx::Result<Vec<GameServerConfigCommandWithCommand>> {
    sqlx::query_as(
        "SELECT v.game_server_config_command_id, v.game_server_config_id, v.game_server_command_id,
                v.command_value, v.description, v.is_visible, to_json(c) AS game_server_command
           FROM read_models.game_server_config_commands v
           JOIN read_models.game_server_commands c USING (game_server_command_id)
          WHERE v.game_server_config_id = $1 AND v.is_visible
          ORDER BY v.game_server_config_command_id",
    )
    .bind(config_id)
    .fetch_all(db)
    .await
}
