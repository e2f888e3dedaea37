//! What dashboards read: the Status API. v1's two endpoints, and lists and a summary that v1 does
//! not have.
//!
//! Its clients only look, so an answer shows what is there and says how fresh that is; it waits
//! only if asked to.

mod current;
mod servers;
mod system;
mod worker_filter;
mod workers;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::freshness::as_found;
use crate::{QueryApi, QueryError};

/// The endpoints and their description.
pub fn router(state: QueryApi) -> OpenApiRouter {
    let as_found = from_fn_with_state(state.freshness.clone(), as_found::<QueryError>);
    OpenApiRouter::new()
        .routes(routes!(current::worker_status))
        .routes(routes!(current::instance_status))
        .routes(routes!(workers::workers))
        .routes(routes!(workers::worker))
        .routes(routes!(servers::servers))
        .routes(routes!(servers::active_servers))
        .routes(routes!(system::system))
        .route_layer(as_found)
        .with_state(state)
}
