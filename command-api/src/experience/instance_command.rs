//! Executing a prepared command on an instance.

use std::sync::Arc;

use axum::extract::State;
use domain::game_server::{CommandTemplate, resolve};
use domain::game_server_instance::Run;
use domain::worker::Request;
use domain::{
    GameServer, GameServerCommandDefaultId, GameServerConfig, GameServerConfigCommandId,
    GameServerInstance, GameServerInstanceId, StatusType,
};
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{Check, Int, JsonBody, PathText, V1Error};
use utoipa::ToSchema;

use crate::CommandApi;
use crate::context::Caller;
use crate::error;
use crate::reply::{Reply, Written};

/// Which command, and with which value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct ExecuteCommandRequest {
    /// `default` or `config`: what `command_id` is the id of.
    command_type: String,
    /// A default of the game server, or a command of the config.
    command_id: i32,
    /// Instead of the stored value, unless empty.
    custom_value: Option<String>,
}

/// A command was sent.
#[derive(Serialize, ToSchema)]
pub(super) struct ExecuteCommandResponse {
    /// Always `success`.
    status: &'static str,
    /// To which instance.
    message: String,
    /// The text as it was sent.
    command: String,
}

/// Writes a prepared command to the console of an instance, on the worker that runs it.
#[utoipa::path(
    post,
    path = "/gameserver/instance/{instance_id}/command",
    params(("instance_id" = i32, Path, description = "Id of the instance")),
    request_body = ExecuteCommandRequest,
    responses(
        (status = 200, description = "It was sent", body = ExecuteCommandResponse),
        (status = 400, description = "The instance is over, or there is no such type of command", body = Refusal),
        (status = 404, description = "No worker is open, or there is no such instance or command", body = Refusal),
        (status = 422, description = "The id or the body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn execute(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
    body: JsonBody,
) -> Result<Written, V1Error> {
    api.current_worker().await?;
    let (id, wanted) = Wanted::read(&path, &body)?;
    let run = api.running(id).await?;
    let text = api.text(&run, wanted).await?;
    api.execute(&run, text, &caller).await
}

/// A prepared command as the client names it.
struct Wanted {
    command_type: String,
    command_id: Int,
    custom_value: Option<String>,
}

impl Wanted {
    fn read(path: &PathText, body: &JsonBody) -> Result<(Int, Self), V1Error> {
        let mut check = Check::new();
        let id = check.path_int(path, "instance_id");
        let mut fields = check.body(body);
        let command_type = fields.string("command_type");
        let command_id = fields.int("command_id");
        let custom_value = fields.optional_string("custom_value");
        check.finish(|| {
            let (command_type, command_id) = command_type.zip(command_id)?;
            Some((id?, Self { command_type, command_id, custom_value: custom_value? }))
        })
    }
}

impl CommandApi {
    /// An instance that is not over. v1 refuses crashed ones only; the text then reaches whatever else runs that config.
    async fn running(&self, id: Int) -> Result<Run, V1Error> {
        let id = id.id().map(GameServerInstanceId).ok_or_else(error::instance_not_found)?;
        let instance = self.store.instances.load(&id.to_string()).await;
        let instance = instance.map_err(error::instance)?.state;
        let run = instance.run.ok_or_else(error::instance_not_found)?;
        if is_over(&instance) { Err(error::instance_over()) } else { Ok(run) }
    }

    /// The text for the console.
    async fn text(&self, run: &Run, wanted: Wanted) -> Result<String, V1Error> {
        let server = self.game_server(run.game_server_id).await?;
        let config = self.config(run.game_server_config_id).await?.config;
        let id = wanted.command_id.id();
        let (template, stored) = match wanted.command_type.as_str() {
            "default" => default(&server, id).ok_or_else(error::default_command_not_found)?,
            "config" => {
                config_command(&server, &config, id).ok_or_else(error::config_command_not_found)?
            }
            _ => return Err(error::no_such_command_type()),
        };
        let custom = wanted.custom_value.as_deref().filter(|value| !value.is_empty());
        let text = resolve(&template.command, custom.unwrap_or(stored));
        text.map_err(|refusal| error::template(&refusal))
    }

    async fn execute(&self, run: &Run, text: String, caller: &Caller) -> Result<Written, V1Error> {
        let reply = Reply::of(&ExecuteCommandResponse {
            status: "success",
            message: format!("Command sent to instance {}", run.game_server_instance_id),
            command: text.clone(),
        })?;
        let request = Request::Stdin {
            game_server_config_id: run.game_server_config_id,
            game_server_instance_id: Some(run.game_server_instance_id),
            words: vec![text],
        };
        let asked = self.ask(run.worker_id, request, caller, &reply).await?;
        Ok(reply.to(&asked.map_err(error::execution)?)?)
    }
}

fn is_over(instance: &GameServerInstance) -> bool {
    let is_crashed = instance.status.is_some_and(|it| it.status == StatusType::Crashed);
    instance.closure.is_some() || is_crashed
}

/// A template and the value it is offered with.
type Offered<'a> = (&'a CommandTemplate, &'a str);

/// A visible default of a game server.
fn default(server: &GameServer, id: Option<i32>) -> Option<Offered<'_>> {
    let default = server.defaults.get(&GameServerCommandDefaultId(id?))?;
    let template = server.commands.get(&default.game_server_command_id)?;
    default.is_visible.then_some((template, &default.command_value))
}

/// A visible command of a config.
fn config_command<'a>(
    server: &'a GameServer,
    config: &'a GameServerConfig,
    id: Option<i32>,
) -> Option<Offered<'a>> {
    let command = config.commands.get(&GameServerConfigCommandId(id?))?;
    let template = server.commands.get(&command.game_server_command_id)?;
    command.is_visible.then_some((template, &command.command_value))
}
