//! Adding game servers to the catalogue.

use std::sync::Arc;

use axum::extract::State;
use domain::GameServerId;
use domain::game_server::{GameServerCommand, ServerType};
use query_api::native::GameServer;
use serde::Deserialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, JsonBody};
use service::problem::Problem;
use utoipa::ToSchema;

use super::error;
use super::headers::UserHeaders;
use crate::CommandApi;
use crate::context::Caller;
use crate::failure::Failure;
use crate::reply::{Reply, Written};

/// A game server for the catalogue.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewGameServer {
    /// Its name, unique per server type.
    name: String,
    /// How it is installed.
    #[schema(inline)]
    server_type: WantedType,
    /// Its Steam app id, unique: needed for `STEAM`, none for `LOCAL`.
    app_id: Option<i32>,
}

/// How a game server is installed.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum WantedType {
    /// By SteamCMD.
    Steam,
    /// It is on the game host already.
    Local,
}

/// Adds a game server to the catalogue.
#[utoipa::path(
    post,
    path = "/v1/game-servers",
    params(UserHeaders),
    request_body = NewGameServer,
    responses(
        (status = 201, description = "The new game server", body = GameServer, headers(("Location" = String, description = "Where it is found"))),
        (status = 400, description = "`invalid_idempotency_key`, `unreadable_body`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`game_server_name_taken`, `game_server_app_id_taken`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `nul_character`, `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_game_server(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewGameServer>,
) -> Result<Written, Problem> {
    if new.name.trim().is_empty() {
        return Err(error::invalid_body("The name must not be blank."));
    }
    let app_id = match (new.server_type, new.app_id) {
        (WantedType::Steam, Some(app_id)) => Some(app_id),
        (WantedType::Local, None) => None,
        (WantedType::Steam, None) => {
            return Err(error::invalid_body("A STEAM game server needs an app_id."));
        }
        (WantedType::Local, Some(_)) => {
            return Err(error::invalid_body("A LOCAL game server has no app_id."));
        }
    };
    api.add_game_server_of(new.server_type.into(), app_id, new.name, &caller).await
}

impl CommandApi {
    /// One without an app id gets its own id for it: the number is unique, and means nothing.
    async fn add_game_server_of(
        &self,
        server_type: ServerType,
        app_id: Option<i32>,
        name: String,
        caller: &Caller,
    ) -> Result<Written, Problem> {
        let id = self.ids.game_server.next().await.map_err(Failure::from)?;
        let added = GameServer {
            game_server_id: Id(id),
            name,
            server_type: server_type.as_str().to_owned(),
            app_id: app_id.unwrap_or(id),
        };
        let reply = Reply::created(format!("/v1/game-servers/{id}"), &added)?;
        let command = GameServerCommand::Add {
            game_server_id: GameServerId(id),
            name: added.name,
            server_type,
            app_id: added.app_id,
        };
        let context = caller.answering(caller.user(), &reply)?;
        let done = self.store.game_servers.create(&id.to_string(), command, &context).await;
        Ok(reply.to(&done.map_err(error::game_server)?)?)
    }
}

impl From<WantedType> for ServerType {
    fn from(wanted: WantedType) -> Self {
        match wanted {
            WantedType::Steam => Self::Steam,
            WantedType::Local => Self::Local,
        }
    }
}
