//! What native clients say and ask for, below `/v1`. Requests are typed, refusals are problems with a stable code.

mod error;
mod game_server_configs;
mod game_servers;
mod headers;
mod heartbeat;
mod outcome;
mod registration;
mod supervision;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use service::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::CommandApi;
use crate::idempotency::answer_once;

/// What agents say, for the Worker DAL API: the endpoints and their description. Each may be repeated as it is, so none
/// needs an `Idempotency-Key`.
pub fn agents(state: Arc<CommandApi>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(registration::register_worker))
        .routes(routes!(heartbeat::heartbeat_of_worker))
        .routes(routes!(outcome::put_outcome))
        .with_state(state)
}

/// What users ask for, for the Experience API: the endpoints and their description.
pub fn users(state: Arc<CommandApi>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(game_servers::create_game_server))
        .routes(routes!(game_server_configs::create_config))
        .routes(routes!(supervision::put_supervision))
        .route_layer(from_fn_with_state(Arc::clone(&state), answer_once::<Problem>))
        .with_state(state)
}
