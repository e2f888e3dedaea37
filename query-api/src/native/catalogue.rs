//! Game servers and their configs, with all that an agent needs to install and run them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText};
use service::problem::Problem;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;

use super::error;
use crate::{QueryApi, QueryError};

/// A game server of the catalogue.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = NativeGameServer)]
pub struct GameServer {
    /// Its id.
    pub game_server_id: Id,
    /// Its name, unique per server type.
    pub name: String,
    /// `STEAM`: installed by SteamCMD; `LOCAL`: an executable that is on the game host already.
    pub server_type: String,
    /// The Steam app id; for `LOCAL` a number without meaning.
    pub app_id: i32,
}

/// How a game server is installed and run.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = NativeGameServerConfig)]
pub struct GameServerConfig {
    /// Its id.
    pub game_server_config_id: Id,
    /// The game server it runs.
    pub game_server_id: Id,
    /// That game server's name.
    pub game_server_name: String,
    /// `STEAM`: installed by SteamCMD; `LOCAL`: an executable that is on the game host already.
    pub server_type: String,
    /// The Steam app id; for `LOCAL` a number without meaning.
    pub app_id: i32,
    /// Unique within its game server.
    pub name: String,
    /// The program, relative to where the game server is installed; for `LOCAL` maybe absolute.
    pub executable: String,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Environment of the program, as `NAME=value`.
    pub env_var: Vec<String>,
    /// Commands to run after an install.
    pub post_install_commands: Vec<String>,
    /// Whether it is the one to take where none is named.
    pub is_default: bool,
    /// Whether users see it in lists.
    pub is_visible: bool,
    /// How its process is stopped, and when it is started again.
    #[sqlx(flatten)]
    pub supervision: Supervision,
}

/// How a game server's process is stopped, and when it is started again.
#[derive(Clone, Debug, Serialize, FromRow, ToSchema)]
pub struct Supervision {
    /// A console line that asks the game server to end; without one it gets SIGTERM at once.
    #[schema(required)]
    pub stop_line: Option<String>,
    /// How long it may take to end after the stop line, and again after SIGTERM, before it is killed, in seconds.
    pub stop_grace_seconds: i32,
    /// When it is started again after it ended unasked: `never`, `on_failure` or `always`.
    pub restart: String,
    /// How many restarts are made within the window before it stays down.
    pub restart_limit: i32,
    /// The window, in seconds.
    pub restart_window_seconds: i32,
}

/// A game server.
#[utoipa::path(
    get,
    path = "/v1/game-servers/{id}",
    params(("id" = Id, Path, description = "Id of the game server")),
    responses(
        (status = 200, description = "The game server", body = GameServer),
        (status = 404, description = "`game_server_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_game_server(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<GameServer>, Problem> {
    let id = path.id("id")?.ok_or_else(error::game_server_not_found)?;
    let game_server = game_server(&api.reads, id).await.map_err(QueryError::from)?;
    game_server.map(Json).ok_or_else(error::game_server_not_found)
}

/// A config, visible or not.
#[utoipa::path(
    get,
    path = "/v1/game-server-configs/{id}",
    params(("id" = Id, Path, description = "Id of the config")),
    responses(
        (status = 200, description = "The config", body = GameServerConfig),
        (status = 404, description = "`game_server_config_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_config(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<GameServerConfig>, Problem> {
    let id = path.id("id")?.ok_or_else(error::config_not_found)?;
    let config = config(&api.reads, id).await.map_err(QueryError::from)?;
    config.map(Json).ok_or_else(error::config_not_found)
}

async fn game_server(
    db: impl PgExecutor<'_>,
    game_server_id: i32,
) -> sqlx::Result<Option<GameServer>> {
    sqlx::query_as(
        "SELECT game_server_id, name, server_type, app_id
           FROM read_models.game_servers
          WHERE game_server_id = $1",
    )
    .bind(game_server_id)
    .fetch_optional(db)
    .await
}

pub(super) async fn config(
    db: impl PgExecutor<'_>,
    config_id: i32,
) -> sqlx::Result<Option<GameServerConfig>> {
    sqlx::query_as(
        "SELECT c.game_server_config_id, c.game_server_id, s.name AS game_server_name,
                s.server_type, s.app_id, c.name, c.executable, c.args, c.env_var,
                c.post_install_commands, c.is_default, c.is_visible, c.stop_line,
                c.stop_grace_seconds, c.restart, c.restart_limit, c.restart_window_seconds
           FROM read_models.game_server_configs c
           JOIN read_models.game_servers s USING (game_server_id)
          WHERE c.game_server_config_id = $1",
    )
    .bind(config_id)
    .fetch_optional(db)
    .await
}
