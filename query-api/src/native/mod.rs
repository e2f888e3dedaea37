//! What native clients read, below `/v1`: the same on all three APIs.
//!
//! Answers are typed, refusals are problems. Where clients write and then read, a read waits until it
//! shows what was written before it; on the Status API it shows what is there.

mod catalogue;
mod commands;
mod error;
mod events;
mod instances;
mod output;
mod servers;
mod workers;

use axum::Extension;
use axum::middleware::from_fn_with_state;
use service::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::catalogue::{GameServer, GameServerConfig, Supervision};
use crate::QueryApi;
use crate::freshness::{Patient, as_found, with_own_writes};

/// The endpoints and their description, for an API whose clients write.
pub fn router(state: QueryApi) -> OpenApiRouter {
    let own_writes = from_fn_with_state(state.freshness.clone(), with_own_writes::<Problem>);
    let waiting = waiting().route_layer(own_writes.clone()).route_layer(Extension(Patient));
    endpoints().route_layer(own_writes).merge(waiting).with_state(state)
}

/// The same for an API whose clients only look.
pub fn router_as_found(state: QueryApi) -> OpenApiRouter {
    let as_found = from_fn_with_state(state.freshness.clone(), as_found::<Problem>);
    let waiting = waiting().route_layer(as_found.clone()).route_layer(Extension(Patient));
    endpoints().route_layer(as_found).merge(waiting).with_state(state)
}

fn endpoints() -> OpenApiRouter<QueryApi> {
    OpenApiRouter::new()
        .routes(routes!(workers::get_worker))
        .routes(routes!(commands::list_commands_of_worker))
        .routes(routes!(commands::get_command))
        .routes(routes!(instances::list_instances))
        .routes(routes!(instances::get_instance))
        .routes(routes!(output::get_instance_output))
        .routes(routes!(events::list_events_of_worker))
        .routes(routes!(events::list_events_of_instance))
        .routes(routes!(catalogue::get_game_server))
        .routes(routes!(catalogue::get_config))
        .routes(routes!(servers::list_events_of_server))
}

/// Those that may wait for what they are to show.
fn waiting() -> OpenApiRouter<QueryApi> {
    OpenApiRouter::new()
        .routes(routes!(servers::get_server))
        .routes(routes!(servers::get_server_output))
}
