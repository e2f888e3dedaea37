//! What the current worker runs.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{Check, QueryText};
use utoipa::ToSchema;

use super::current_worker::CurrentWorker;
use crate::read_models::{
    GameServerConfig, GameServerInstance, Worker, game_server_config, game_server_instance,
    snapshot,
};
use crate::{QueryApi, QueryError};

/// Instances, with the workers and configs they name.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrentInstanceResponse {
    /// The active instances; then the crashed ones, if those are wanted.
    game_server_instances: Vec<GameServerInstance>,
    /// Each worker that is named, once, in the order of first use.
    workers: Vec<Worker>,
    /// Each config that is named, once, in the order of first use.
    configs: Vec<GameServerConfig>,
}

/// The active instances of the current worker.
#[utoipa::path(
    get,
    path = "/gameserver/current",
    responses(
        (status = 200, description = "Its active instances", body = Vec<GameServerInstance>),
        (status = 404, description = "No worker is open", body = Refusal),
    )
)]
pub(super) async fn current_instances(
    State(api): State<QueryApi>,
    CurrentWorker(worker): CurrentWorker,
) -> Result<Json<Vec<GameServerInstance>>, QueryError> {
    let active = game_server_instance::active_instances(&api.reads, worker.worker_id).await?;
    Ok(Json(active))
}

/// The active instances of the current worker with all that they name.
#[utoipa::path(
    get,
    path = "/gameserver/instances/active",
    params((
        "include_crashed" = Option<bool>,
        Query,
        description = "Also the last crash of each config that is not running"
    )),
    responses(
        (status = 200, description = "Its instances", body = CurrentInstanceResponse),
        (status = 404, description = "No worker is open", body = Refusal),
        (status = 422, description = "The switch is no truth value", body = HttpValidationError),
    )
)]
pub(super) async fn active_instances(
    State(api): State<QueryApi>,
    CurrentWorker(worker): CurrentWorker,
    query: QueryText,
) -> Result<Json<CurrentInstanceResponse>, QueryError> {
    let mut check = Check::new();
    let include_crashed = check.query_bool(&query, "include_crashed", false);
    let include_crashed = check.finish(|| include_crashed)?;

    // In one view of the data, or an instance that ends in between would be listed twice.
    let mut reads = snapshot(&api.reads).await?;
    let id = worker.worker_id;
    let mut instances = game_server_instance::active_instances(&mut *reads, id).await?;
    if include_crashed {
        instances.extend(game_server_instance::last_crashed_instances(&mut *reads, id).await?);
    }
    let configs = game_server_config::configs_of(&mut *reads, &configs_used(&instances)).await?;
    let workers = if instances.is_empty() { vec![] } else { vec![worker] };
    Ok(Json(CurrentInstanceResponse { game_server_instances: instances, workers, configs }))
}

/// Each config once, in the order of first use.
fn configs_used(instances: &[GameServerInstance]) -> Vec<i32> {
    let mut seen = HashSet::new();
    let used = instances.iter().map(|instance| instance.game_server_config_id);
    used.filter(|&config_id| seen.insert(config_id)).collect()
}
