//! Starting, stopping and talking to what a config runs on the current worker.

use std::sync::Arc;

use axum::extract::State;
use domain::GameServerConfigId;
use domain::worker::Request;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{Check, JsonBody, PathText, V1Error};
use utoipa::ToSchema;

use super::ask::Ack;
use crate::CommandApi;
use crate::catalogue;
use crate::context::Caller;
use crate::reply::Written;

/// Words for a console.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct StdinCommandRequest {
    /// Joined with blanks to one line; printable ASCII.
    commands: Vec<String>,
}

/// Asks the current worker to start a config. One that does not exist is refused here: a v1 worker that is asked for it
/// shuts down.
#[utoipa::path(
    post,
    path = "/gameserver/{id}/start",
    params(("id" = i32, Path, description = "Id of the config")),
    responses(
        (status = 200, description = "It was asked", body = Ack),
        (status = 404, description = "No worker is open, or there is no such config", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn start(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
) -> Result<Written, V1Error> {
    let worker_id = api.current_worker().await?;
    let game_server_config_id = config_id(&path)?;
    api.config(game_server_config_id).await?;
    api.ask_current(worker_id, Request::Start { game_server_config_id }, &caller).await
}

/// Asks the current worker to stop what it runs of a config. If it runs nothing, nothing happens.
#[utoipa::path(
    post,
    path = "/gameserver/{id}/stop",
    params(("id" = i32, Path, description = "Id of the config")),
    responses(
        (status = 200, description = "It was asked", body = Ack),
        (status = 404, description = "No worker is open, or no config can have this id", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn stop(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
) -> Result<Written, V1Error> {
    let worker_id = api.current_worker().await?;
    let game_server_config_id = config_id(&path)?;
    api.ask_current(worker_id, Request::Stop { game_server_config_id }, &caller).await
}

/// Writes a line to the console of what the current worker runs of a config. If it runs nothing, nothing happens.
#[utoipa::path(
    post,
    path = "/gameserver/{id}/stdin",
    params(("id" = i32, Path, description = "Id of the config")),
    request_body = StdinCommandRequest,
    responses(
        (status = 200, description = "It was sent", body = Ack),
        (status = 400, description = "A console must not get such characters", body = Refusal),
        (status = 404, description = "No worker is open, or no config can have this id", body = Refusal),
        (status = 422, description = "The id or the body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn stdin(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let worker_id = api.current_worker().await?;
    let mut check = Check::new();
    let id = check.path_int(&path, "id");
    let words = check.body(&body).strings("commands");
    let (id, words) = check.finish(|| id.zip(words))?;
    let game_server_config_id = catalogue::config_id(id)?;
    let request = Request::Stdin { game_server_config_id, game_server_instance_id: None, words };
    api.ask_current(worker_id, request, &caller).await
}

fn config_id(path: &PathText) -> Result<GameServerConfigId, V1Error> {
    catalogue::config_id(path.int("id")?)
}
