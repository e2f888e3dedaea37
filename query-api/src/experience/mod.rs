//! What users and bots read: the `GET` endpoints of the Experience API.
//!
//! Its clients write and then read, so each read waits until it shows what was written before it.

mod active_instances;
mod current_worker;
mod game_server_configs;
mod game_servers;
mod instance_details;
mod instance_history;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::freshness::with_own_writes;
use crate::{QueryApi, QueryError};

/// The endpoints and their description.
pub fn router(state: QueryApi) -> OpenApiRouter {
    let own_writes = from_fn_with_state(state.freshness.clone(), with_own_writes::<QueryError>);
    OpenApiRouter::new()
        .routes(routes!(current_worker::current_worker))
        .routes(routes!(current_worker::current_worker_status))
        .routes(routes!(game_server_configs::visible_configs))
        .routes(routes!(game_server_configs::config_status))
        .routes(routes!(active_instances::current_instances))
        .routes(routes!(active_instances::active_instances))
        .routes(routes!(instance_details::instance_details))
        .routes(routes!(instance_history::instance_history))
        .routes(routes!(game_servers::game_server_types))
        .routes(routes!(game_servers::game_server_commands))
        .merge(game_server_configs::overlaps())
        .route_layer(own_writes)
        .with_state(state)
}
