//! The worker that requests without a worker id are for.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use service::v1::V1Error;
use service::v1::schema::Refusal;

use crate::read_models::{self, ExternalStatusInfo, Worker};
use crate::{QueryApi, QueryError};

/// The current worker, or 404.
///
/// As an argument it stands before whatever else of the request is looked at, because v1 says 404
/// before 422.
pub(super) struct CurrentWorker(pub Worker);

impl FromRequestParts<QueryApi> for CurrentWorker {
    type Rejection = QueryError;

    async fn from_request_parts(_: &mut Parts, api: &QueryApi) -> Result<Self, QueryError> {
        match read_models::current_worker(&api.reads).await? {
            Some(worker) => Ok(Self(worker)),
            None => Err(V1Error::not_found("Worker not found").into()),
        }
    }
}

/// The current worker.
#[utoipa::path(
    get,
    path = "/worker/current",
    responses(
        (status = 200, description = "The current worker", body = Worker),
        (status = 404, description = "No worker is open", body = Refusal),
    )
)]
pub(super) async fn current_worker(CurrentWorker(worker): CurrentWorker) -> Json<Worker> {
    Json(worker)
}

/// The status of the current worker.
#[utoipa::path(
    get,
    path = "/worker/status",
    responses(
        (status = 200, description = "Its current status", body = ExternalStatusInfo),
        (status = 404, description = "No worker is open, or it has no status yet", body = Refusal),
    )
)]
pub(super) async fn current_worker_status(
    State(api): State<QueryApi>,
    CurrentWorker(worker): CurrentWorker,
) -> Result<Json<ExternalStatusInfo>, QueryError> {
    let status = api.worker_statuses.get(worker.worker_id).await?;
    let status = status.ok_or_else(|| V1Error::not_found("Worker status not found"))?;
    Ok(Json(status))
}
