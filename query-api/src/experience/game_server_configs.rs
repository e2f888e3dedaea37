//! What can be started.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{PathText, V1Error};
use utoipa_axum::router::OpenApiRouter;

use super::current_worker::CurrentWorker;
use crate::read_models::{
    ExternalStatusInfo, GameServerConfig, game_server_config, game_server_instance,
};
use crate::request::not_a_number;
use crate::{QueryApi, QueryError};

/// The configs that users see, by name.
#[utoipa::path(
    get,
    path = "/gameserver",
    responses((status = 200, description = "All visible configs", body = Vec<GameServerConfig>))
)]
pub(super) async fn visible_configs(
    State(api): State<QueryApi>,
) -> Result<Json<Vec<GameServerConfig>>, QueryError> {
    Ok(Json(game_server_config::visible_configs(&api.reads).await?))
}

/// The status of what the current worker runs of a config.
#[utoipa::path(
    get,
    path = "/gameserver/{id}/status",
    params(("id" = i32, Path, description = "Id of the config")),
    responses(
        (status = 200, description = "Its current status", body = ExternalStatusInfo),
        (status = 404, description = "No worker, not running, or no status yet", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn config_status(
    State(api): State<QueryApi>,
    CurrentWorker(worker): CurrentWorker,
    path: PathText,
) -> Result<Json<ExternalStatusInfo>, QueryError> {
    let id = path.int("id")?;
    let active = game_server_instance::active_instances(&api.reads, worker.worker_id).await?;
    let running = active
        .into_iter()
        .find(|instance| Some(instance.game_server_config_id) == id.id())
        .ok_or_else(|| not_running(id.saturated()))?
        .game_server_instance_id;
    let status = api.instance_statuses.get(running).await?;
    Ok(Json(status.ok_or_else(|| no_status(running))?))
}

fn not_running(config_id: i64) -> V1Error {
    V1Error::not_found(format!("No running instance found for game server config {config_id}"))
}

fn no_status(instance_id: i32) -> V1Error {
    V1Error::not_found(format!("No status information found for instance {instance_id}"))
}

/// `/gameserver/instance/status` is no instance called "status": v1 tries `/gameserver/{id}/status`
/// first. In a route of its own, because ours prefers the literal segment.
pub(super) fn overlaps() -> OpenApiRouter<QueryApi> {
    async fn status_of_config_instance(_: CurrentWorker) -> V1Error {
        not_a_number("path", "id", "instance")
    }
    OpenApiRouter::new().route("/gameserver/instance/status", get(status_of_config_instance))
}
