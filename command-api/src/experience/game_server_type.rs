//! The catalogue: game servers and the commands they understand.

use std::sync::Arc;

use axum::extract::State;
use domain::game_server::{GameServerCommand as Command, ServerType};
use domain::{GameServerCommandId, GameServerId};
use query_api::read_models::GameServerCommand;
use serde::Serialize;
use serde_json::{Value, json};
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::{Check, Int, Invalid, JsonBody, Loc, PathText, V1Error};
use utoipa::ToSchema;

use crate::CommandApi;
use crate::context::Caller;
use crate::error;
use crate::failure::Failure;
use crate::reply::{Reply, Written};

/// A game server for the catalogue.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct CreateGameServerRequest {
    /// Its name; unique.
    name: String,
    /// `STEAM`: the v1 surface knows no other.
    server_type: String,
    /// Its Steam app id; unique.
    app_id: i32,
}

/// A game server that was added just now. Elsewhere v1 writes its type as a number.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedGameServer {
    /// Its id.
    game_server_id: i32,
    /// Its name.
    name: String,
    /// `STEAM`.
    server_type: &'static str,
    /// Its Steam app id.
    app_id: i32,
}

/// A command for the game's console.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct CreateGameServerCommandRequest {
    /// Its name; unique within the game server.
    name: String,
    /// The text for the console; `{value}` and `{map}` stand for the value.
    command: String,
    /// What it does.
    description: Option<String>,
    /// Whether lists show it; true if absent.
    is_visible: Option<bool>,
}

/// Adds a game server to the catalogue.
#[utoipa::path(
    post,
    path = "/gameserver/types",
    request_body = CreateGameServerRequest,
    responses(
        (status = 200, description = "The new game server", body = CreatedGameServer),
        (status = 400, description = "There is no such type, or a text cannot be stored", body = Refusal),
        (status = 409, description = "The name or the app id is taken", body = Refusal),
        (status = 422, description = "The body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn create(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let mut check = Check::new();
    let mut fields = check.body(&body);
    let (name, server_type) = (fields.string("name"), fields.string("server_type"));
    let app_id = fields.int("app_id");
    let (name, server_type, app_id) = check.finish(|| Some((name?, server_type?, app_id?)))?;
    let app_id = column_int("app_id", app_id)?;
    if server_type != ServerType::Steam.as_str() {
        return Err(error::no_such_server_type());
    }
    api.add_game_server(name, app_id, &caller).await
}

/// Adds a command that a game server understands.
#[utoipa::path(
    post,
    path = "/gameserver/types/{game_server_id}/command",
    params(("game_server_id" = i32, Path, description = "Id of the game server")),
    request_body = CreateGameServerCommandRequest,
    responses(
        (status = 200, description = "The new command", body = GameServerCommand),
        (status = 400, description = "A text cannot be stored", body = Refusal),
        (status = 404, description = "There is no such game server", body = Refusal),
        (status = 409, description = "The name is taken", body = Refusal),
        (status = 422, description = "The id or the body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn create_command(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let mut check = Check::new();
    let server = check.path_int(&path, "game_server_id");
    let mut fields = check.body(&body);
    let (name, command) = (fields.string("name"), fields.string("command"));
    let description = fields.optional_string("description");
    let is_visible = fields.bool_or("is_visible", true);
    let (server, name, command, description, is_visible) =
        check.finish(|| Some((server?, name?, command?, description?, is_visible?)))?;
    let server = server.id().ok_or_else(error::game_server_not_found)?;
    let template = Template { name, command, description, is_visible };
    api.add_template(GameServerId(server), template, &caller).await
}

struct Template {
    name: String,
    command: String,
    description: Option<String>,
    is_visible: bool,
}

impl CommandApi {
    async fn add_game_server(
        &self,
        name: String,
        app_id: i32,
        caller: &Caller,
    ) -> Result<Written, V1Error> {
        let id = self.ids.game_server.next().await.map_err(Failure::from)?;
        let server_type = ServerType::Steam;
        let added = CreatedGameServer {
            game_server_id: id,
            name,
            server_type: server_type.as_str(),
            app_id,
        };
        let reply = Reply::of(&added)?;
        let command = Command::Add {
            game_server_id: GameServerId(id),
            name: added.name,
            server_type,
            app_id,
        };
        let context = caller.answering(caller.user(), &reply)?;
        let done = self.store.game_servers.create(&id.to_string(), command, &context).await;
        Ok(reply.to(&done.map_err(error::game_server)?)?)
    }

    async fn add_template(
        &self,
        game_server_id: GameServerId,
        template: Template,
        caller: &Caller,
    ) -> Result<Written, V1Error> {
        let stream = game_server_id.to_string();
        let Template { name, command, description, is_visible } = template;
        let id = self.ids.game_server_command.next().await.map_err(Failure::from)?;
        let added = GameServerCommand {
            game_server_command_id: id,
            game_server_id: game_server_id.0,
            name,
            command,
            description,
            is_visible,
        };
        let reply = Reply::of(&added)?;
        let command = Command::AddCommand {
            game_server_command_id: GameServerCommandId(id),
            name: added.name,
            command: added.command,
            description: added.description,
            is_visible,
        };
        let context = caller.answering(caller.user(), &reply)?;
        let done = self.store.game_servers.execute(&stream, command, &context).await;
        Ok(reply.to(&done.map_err(error::game_server)?)?)
    }
}

/// A number that v1's column can hold, or 422 as pydantic would say it.
fn column_int(name: &'static str, number: Int) -> Result<i32, V1Error> {
    number.id().ok_or_else(|| {
        let (kind, msg, ctx) = if number.saturated() > 0 {
            let msg = "Input should be less than or equal to 2147483647";
            ("less_than_equal", msg, json!({"le": i32::MAX}))
        } else {
            let msg = "Input should be greater than or equal to -2147483648";
            ("greater_than_equal", msg, json!({"ge": i32::MIN}))
        };
        let loc = vec![Loc::Name("body".into()), Loc::Name(name.into())];
        let input = Value::from(number.saturated());
        V1Error::Invalid(vec![Invalid { kind, loc, msg, input, ctx: Some(ctx) }])
    })
}
