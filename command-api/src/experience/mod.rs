//! What users and bots ask for: the commands of the Experience API.

mod ask;
mod config_command;
mod game_server;
mod game_server_type;
mod instance_command;
mod worker;

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
        .routes(routes!(worker::shutdown))
        .routes(routes!(game_server::start))
        .routes(routes!(game_server::stop))
        .routes(routes!(game_server::stdin))
        .routes(routes!(instance_command::execute))
        .routes(routes!(config_command::create))
        .routes(routes!(game_server_type::create))
        .routes(routes!(game_server_type::create_command))
        .route_layer(from_fn_with_state(Arc::clone(&state), answer_once::<V1Error>))
        .with_state(state)
}
