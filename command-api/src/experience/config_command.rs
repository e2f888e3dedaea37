//! Prepared commands of a config.

use std::sync::Arc;

use axum::extract::State;
use domain::game_server_config::GameServerConfigCommand;
use domain::{GameServerCommandId, GameServerConfigCommandId, GameServerConfigId};
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{Check, Int, JsonBody, PathText, V1Error};
use utoipa::ToSchema;

use crate::CommandApi;
use crate::catalogue;
use crate::context::Caller;
use crate::error;
use crate::failure::Failure;
use crate::reply::{Reply, Written};

/// A value for one of the game server's commands.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct CreateConfigCommandRequest {
    /// The command it is for.
    game_server_command_id: i32,
    /// The value.
    command_value: String,
    /// What it does.
    description: Option<String>,
}

/// A value for a command, offered with one config.
#[derive(Serialize, ToSchema)]
pub(super) struct GameServerConfigCommands {
    /// Its id.
    game_server_config_command_id: i32,
    /// The config it is offered with.
    game_server_config_id: i32,
    /// The command it is for.
    game_server_command_id: i32,
    /// The value.
    command_value: String,
    /// What it does.
    #[schema(required)]
    description: Option<String>,
    /// Whether users see it in lists.
    is_visible: bool,
}

/// Offers a command of the game server with a value of its own on one config.
#[utoipa::path(
    post,
    path = "/gameserver/config/{config_id}/command",
    params(("config_id" = i32, Path, description = "Id of the config")),
    request_body = CreateConfigCommandRequest,
    responses(
        (status = 200, description = "What is offered now", body = GameServerConfigCommands),
        (status = 400, description = "A text cannot be stored", body = Refusal),
        (status = 404, description = "There is no such config, or its game server has no such command", body = Refusal),
        (status = 409, description = "The config offers this already", body = Refusal),
        (status = 422, description = "The id or the body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn create(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let mut check = Check::new();
    let config_id = check.path_int(&path, "config_id");
    let mut fields = check.body(&body);
    let command_id = fields.int("game_server_command_id");
    let value = fields.string("command_value");
    let description = fields.optional_string("description");
    let (config_id, command_id, command_value, description) =
        check.finish(|| Some((config_id?, command_id?, value?, description?)))?;
    let config_id = catalogue::config_id(config_id)?;
    let template = api.template_of(config_id, command_id).await?;
    let offer = Offer { template, command_value, description };
    api.offer(config_id, offer, &caller).await
}

/// What is to be offered.
struct Offer {
    template: GameServerCommandId,
    command_value: String,
    description: Option<String>,
}

impl CommandApi {
    /// A command that the config's game server understands, or 404.
    async fn template_of(
        &self,
        config_id: GameServerConfigId,
        command_id: Int,
    ) -> Result<GameServerCommandId, V1Error> {
        let config = self.config(config_id).await?;
        let server = self.game_server(config.game_server_id).await?;
        let template = command_id.id().map(GameServerCommandId);
        template.filter(|id| server.commands.contains_key(id)).ok_or_else(error::command_not_found)
    }

    async fn offer(
        &self,
        config_id: GameServerConfigId,
        offer: Offer,
        caller: &Caller,
    ) -> Result<Written, V1Error> {
        let Offer { template, command_value, description } = offer;
        let id = self.ids.game_server_config_command.next().await.map_err(Failure::from)?;
        let offered = GameServerConfigCommands {
            game_server_config_command_id: id,
            game_server_config_id: config_id.0,
            game_server_command_id: template.0,
            command_value,
            description,
            is_visible: true,
        };
        let reply = Reply::of(&offered)?;
        let command = GameServerConfigCommand::AddCommand {
            game_server_config_command_id: GameServerConfigCommandId(id),
            game_server_command_id: template,
            command_value: offered.command_value,
            description: offered.description,
            is_visible: offered.is_visible,
        };
        let context = caller.answering(caller.user(), &reply)?;
        let done = self.store.configs.execute(&config_id.to_string(), command, &context).await;
        Ok(reply.to(&done.map_err(error::config)?)?)
    }
}
