//! Signs of life of workers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{SubsecRound, Utc};
use query_api::read_models::Worker;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{JsonBody, V1Error};

use super::worker::{WorkerReference, shown, worker_id};
use crate::CommandApi;
use crate::error;
use crate::heartbeats::Entity;

/// Takes a sign of life of a worker.
#[utoipa::path(
    post,
    path = "/worker/heartbeat",
    request_body = WorkerReference,
    responses(
        (status = 200, description = "The worker", body = Worker),
        (status = 400, description = "There is none", body = Refusal),
        (status = 410, description = "It is closed", body = Refusal),
        (status = 422, description = "The body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn heartbeat(
    State(api): State<Arc<CommandApi>>,
    body: JsonBody,
) -> Result<Json<Worker>, V1Error> {
    let worker_id = worker_id(&body)?.ok_or_else(error::heartbeat_of_nobody)?;
    let worker = api.open_worker(worker_id).await.map_err(error::heartbeat)?;
    api.heartbeats.record(Entity::Worker(worker_id));
    let last_heartbeat = Some(Utc::now().trunc_subsecs(6));
    Ok(Json(Worker { last_heartbeat, ..shown(&worker)? }))
}
