//! One instance with what can be done to it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{PathText, V1Error};
use utoipa::ToSchema;

use crate::read_models::game_server_command::{visible_config_commands, visible_defaults};
use crate::read_models::game_server_config::config;
use crate::read_models::game_server_instance::instance;
use crate::read_models::{
    GameServerCommandDefaultWithCommand, GameServerConfig, GameServerConfigCommandWithCommand,
    GameServerInstance, snapshot,
};
use crate::{QueryApi, QueryError};

/// An instance, its config, and the commands offered for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstanceDetailsResponseWithCommands {
    /// The instance.
    instance: GameServerInstance,
    /// What it runs.
    config: GameServerConfig,
    /// What is offered with every config of the game server.
    command_defaults: Vec<GameServerCommandDefaultWithCommand>,
    /// What is offered with this config.
    config_commands: Vec<GameServerConfigCommandWithCommand>,
}

/// An instance, ended or not, with the commands offered for it.
#[utoipa::path(
    get,
    path = "/gameserver/instance/{instance_id}",
    params(("instance_id" = i32, Path, description = "Id of the instance")),
    responses(
        (status = 200, description = "The instance", body = InstanceDetailsResponseWithCommands),
        (status = 404, description = "There is none", body = Refusal),
        (status = 422, description = "The id is not a number", body = HttpValidationError),
    )
)]
pub(super) async fn instance_details(
    State(api): State<QueryApi>,
    path: PathText,
) -> Result<Json<InstanceDetailsResponseWithCommands>, QueryError> {
    let unknown = || V1Error::not_found("Instance not found");
    let id = path.int("instance_id")?.id().ok_or_else(unknown)?;
    let mut reads = snapshot(&api.reads).await?;
    let instance = instance(&mut *reads, id).await?.ok_or_else(unknown)?;
    let config_id = instance.game_server_config_id;
    let config = config(&mut *reads, config_id).await?.ok_or_else(|| {
        V1Error::internal(format!("instance {id} names config {config_id}, which is not there"))
    })?;
    Ok(Json(InstanceDetailsResponseWithCommands {
        command_defaults: visible_defaults(&mut *reads, config.game_server_id).await?,
        config_commands: visible_config_commands(&mut *reads, config_id).await?,
        instance,
        config,
    }))
}
