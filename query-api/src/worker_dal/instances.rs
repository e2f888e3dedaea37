//! Instances, for the worker that runs them.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{PathText, V1Error};
use utoipa_axum::router::OpenApiRouter;

use crate::read_models::{GameServerInstance, game_server_instance};
use crate::request::not_a_number;
use crate::{QueryApi, QueryError};

/// Any instance, ended or not.
#[utoipa::path(
    get,
    path = "/server/instance/{id}",
    params(("id" = i32, Path, description = "Id of the instance")),
    responses(
        (status = 200, description = "The instance", body = GameServerInstance),
        (status = 404, description = "There is none", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn instance(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<GameServerInstance>, QueryError> {
    let instance = match path.int("id")?.id() {
        Some(id) => game_server_instance::instance(&api.reads, id).await?,
        None => None,
    };
    Ok(Json(instance.ok_or_else(|| V1Error::not_found("Instance not found"))?))
}

/// Two instances that cannot exist: in v1 a `GET` of these paths reads an instance, while ours,
/// which prefers the literal segment, finds only the command there.
pub(super) fn overlaps() -> OpenApiRouter<QueryApi> {
    let unreadable = |id: &'static str| get(move || async move { not_a_number("path", "id", id) });
    OpenApiRouter::new()
        .route("/server/instance/create", unreadable("create"))
        .route("/server/instance/shutdown", unreadable("shutdown"))
}
