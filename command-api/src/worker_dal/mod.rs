//! What workers say of themselves and their instances: the commands of the Worker DAL API.

mod instance;
mod instance_heartbeat;
mod worker;
mod worker_heartbeat;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use service::v1::V1Error;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::CommandApi;
use crate::idempotency::answer_once;

/// The endpoints and their description.
pub fn router(state: Arc<CommandApi>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(worker::create))
        .routes(routes!(worker::shutdown))
        .routes(routes!(worker::shutdown_others))
        .routes(routes!(instance::create))
        .routes(routes!(instance::shutdown))
        .route_layer(from_fn_with_state(Arc::clone(&state), answer_once::<V1Error>))
        // Heartbeats append nothing: there is nothing to do only once, and they are the busiest of all.
        .routes(routes!(worker_heartbeat::heartbeat))
        .routes(routes!(instance_heartbeat::heartbeat))
        .with_state(state)
}
