//! What workers read: the `GET` endpoints of the Worker DAL API.
//!
//! Its clients write and then read, so each read waits until it shows what was written before it.

mod instances;
mod servers;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::freshness::with_own_writes;
use crate::{QueryApi, QueryError};

/// The endpoints and their description.
pub fn router(state: QueryApi) -> OpenApiRouter {
    let own_writes = from_fn_with_state(state.freshness.clone(), with_own_writes::<QueryError>);
    OpenApiRouter::new()
        .routes(routes!(instances::instance))
        .routes(routes!(servers::server_config))
        .routes(routes!(servers::server))
        .merge(instances::overlaps())
        .route_layer(own_writes)
        .with_state(state)
}
