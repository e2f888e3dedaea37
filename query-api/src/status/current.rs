//! The current status of one worker or instance, as v1 shows it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{PathText, V1Error};

use crate::etag::unless_known;
use crate::read_models::ExternalStatusInfo;
use crate::{QueryApi, QueryError};

/// The current status of a worker.
#[utoipa::path(
    get,
    path = "/status/worker/{worker_id}",
    params(("worker_id" = i32, Path, description = "Id of the worker")),
    responses(
        (status = 200, description = "Its current status", body = ExternalStatusInfo),
        (status = 304, description = "It is the one named in If-None-Match"),
        (status = 404, description = "No such worker, or no status yet", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn worker_status(
    State(api): State<QueryApi>,
    path: PathText,
    headers: HeaderMap,
) -> Result<Response, QueryError> {
    let status = match path.int("worker_id")?.id() {
        Some(id) => api.worker_statuses.get(id).await?,
        None => None,
    };
    let status = status.ok_or_else(|| V1Error::not_found("Worker not found"))?;
    Ok(unless_known(&headers, status.status_info_id, status))
}

/// The current status of an instance.
#[utoipa::path(
    get,
    path = "/status/instance/{game_server_instance_id}",
    params(("game_server_instance_id" = i32, Path, description = "Id of the instance")),
    responses(
        (status = 200, description = "Its current status", body = ExternalStatusInfo),
        (status = 304, description = "It is the one named in If-None-Match"),
        (status = 404, description = "No such instance, or no status yet", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn instance_status(
    State(api): State<QueryApi>,
    path: PathText,
    headers: HeaderMap,
) -> Result<Response, QueryError> {
    let status = match path.int("game_server_instance_id")?.id() {
        Some(id) => api.instance_statuses.get(id).await?,
        None => None,
    };
    let status = status.ok_or_else(|| V1Error::not_found("Instance not found"))?;
    Ok(unless_known(&headers, status.status_info_id, status))
}
