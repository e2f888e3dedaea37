//! Kinds of game servers and the commands they understand.

use axum::Json;
use axum::extract::State;
use service::v1::PathText;
use service::v1::schema::HttpValidationError;

use crate::read_models::{GameServer, GameServerCommand, game_server, game_server_command};
use crate::{QueryApi, QueryError};

/// All game servers.
#[utoipa::path(
    get,
    path = "/gameserver/types",
    responses((status = 200, description = "All game servers", body = Vec<GameServer>))
)]
pub(super) async fn game_server_types(
    State(api): State<QueryApi>,
) -> Result<Json<Vec<GameServer>>, QueryError> {
    Ok(Json(game_server::game_servers(&api.reads).await?))
}

/// The visible commands of a game server, by name. An unknown game server has none.
#[utoipa::path(
    get,
    path = "/gameserver/{game_server_id}/commands",
    params(("game_server_id" = i32, Path, description = "Id of the game server")),
    responses(
        (status = 200, description = "Its commands", body = Vec<GameServerCommand>),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn game_server_commands(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<Vec<GameServerCommand>>, QueryError> {
    let commands = match path.int("game_server_id")?.id() {
        Some(id) => game_server_command::visible_commands(&api.reads, id).await?,
        None => vec![],
    };
    Ok(Json(commands))
}
