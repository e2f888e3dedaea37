//! What a worker needs to install and start something.

use axum::Json;
use axum::extract::State;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{PathText, V1Error};

use crate::read_models::{GameServer, GameServerConfig, game_server, game_server_config};
use crate::{QueryApi, QueryError};

/// Any config, visible or not.
#[utoipa::path(
    get,
    path = "/server/config/{id}",
    params(("id" = i32, Path, description = "Id of the config")),
    responses(
        (status = 200, description = "The config", body = GameServerConfig),
        (status = 404, description = "There is none", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn server_config(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<GameServerConfig>, QueryError> {
    let config = match path.int("id")?.id() {
        Some(id) => game_server_config::config(&api.reads, id).await?,
        None => None,
    };
    Ok(Json(config.ok_or_else(|| V1Error::not_found("Config not found"))?))
}

/// A game server.
#[utoipa::path(
    get,
    path = "/server/{id}",
    params(("id" = i32, Path, description = "Id of the game server")),
    responses(
        (status = 200, description = "The game server", body = GameServer),
        (status = 404, description = "There is none", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn server(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<GameServer>, QueryError> {
    let server = match path.int("id")?.id() {
        Some(id) => game_server::game_server(&api.reads, id).await?,
        None => None,
    };
    Ok(Json(server.ok_or_else(|| V1Error::not_found("Server not found"))?))
}
