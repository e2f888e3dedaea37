//! Signs of life of instances.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{SubsecRound, Utc};
use domain::GameServerInstanceId;
use query_api::read_models::GameServerInstance;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{PathText, V1Error};

use super::instance::shown;
use crate::CommandApi;
use crate::error;
use crate::heartbeats::Entity;

/// Takes a sign of life of an instance, also of an ended one.
#[utoipa::path(
    post,
    path = "/server/instance/heartbeat/{id}",
    params(("id" = i32, Path, description = "Id of the instance")),
    responses(
        (status = 200, description = "The instance", body = GameServerInstance),
        (status = 404, description = "There is none", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn heartbeat(
    State(api): State<Arc<CommandApi>>,
    path: PathText,
) -> Result<Json<GameServerInstance>, V1Error> {
    let id = path.int("id")?.id().ok_or_else(error::instance_not_found)?;
    let instance = api.store.instances.load_or_last(&id.to_string()).await;
    let instance = instance.map_err(error::instance)?;
    let shown = shown(&instance.state)?;
    api.heartbeats.record(Entity::Instance(GameServerInstanceId(id)));
    let last_heartbeat = Some(Utc::now().trunc_subsecs(6));
    Ok(Json(GameServerInstance { last_heartbeat, ..shown }))
}
