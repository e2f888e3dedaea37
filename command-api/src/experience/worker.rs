//! Shutting the current worker down.

use std::sync::Arc;

use axum::extract::State;
use domain::worker::Request;
use service::v1::V1Error;
use service::v1::schema::Refusal;

use super::ask::Ack;
use crate::CommandApi;
use crate::context::Caller;
use crate::reply::Written;

/// Asks the current worker to shut down with all its instances. The body is not looked at.
#[utoipa::path(
    post,
    path = "/worker/shutdown",
    responses(
        (status = 200, description = "It was asked", body = Ack),
        (status = 404, description = "No worker is open", body = Refusal),
    )
)]
pub(super) async fn shutdown(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
) -> Result<Written, V1Error> {
    let worker_id = api.current_worker().await?;
    api.ask_current(worker_id, Request::Shutdown, &caller).await
}
