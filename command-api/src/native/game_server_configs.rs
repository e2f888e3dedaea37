//! Adding configs to game servers.

use std::sync::Arc;

use axum::extract::State;
use domain::game_server::CatalogueEntry;
use domain::game_server_config::GameServerConfigCommand;
use domain::{GameServerConfigId, GameServerId};
use query_api::native::GameServerConfig;
use serde::Deserialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, JsonBody};
use service::problem::Problem;
use utoipa::ToSchema;

use super::error;
use super::headers::UserHeaders;
use super::supervision::{WantedSupervision, shown};
use crate::CommandApi;
use crate::context::Caller;
use crate::failure::Failure;
use crate::reply::{Reply, Written};

/// How a game server is to be run.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewGameServerConfig {
    /// The game server.
    game_server_id: Id,
    /// Unique within its game server.
    name: String,
    /// The program, relative to where the game server is installed; of a `LOCAL` game server maybe absolute.
    executable: String,
    /// Arguments of the program.
    #[serde(default)]
    args: Vec<String>,
    /// Environment of the program, as `NAME=value`.
    #[serde(default)]
    env_var: Vec<String>,
    /// Commands to run after an install.
    #[serde(default)]
    post_install_commands: Vec<String>,
    /// Whether it is the one to take where none is named; false if absent.
    #[serde(default)]
    is_default: bool,
    /// Whether users see it in lists; true if absent.
    #[serde(default = "yes")]
    is_visible: bool,
    /// How its process is stopped, and when it is started again.
    supervision: Option<WantedSupervision>,
}

const fn yes() -> bool {
    true
}

/// Adds a config to a game server.
#[utoipa::path(
    post,
    path = "/v1/game-server-configs",
    params(UserHeaders),
    request_body = NewGameServerConfig,
    responses(
        (status = 201, description = "The new config", body = GameServerConfig, headers(("Location" = String, description = "Where it is found"))),
        (status = 400, description = "`invalid_idempotency_key`, `unreadable_body`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_server_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`game_server_config_name_taken`, `default_config_taken`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_env_var`, `outside_install_directory`, `control_characters`, `out_of_range`, `nul_character`, `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_config(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewGameServerConfig>,
) -> Result<Written, Problem> {
    if new.name.trim().is_empty() {
        return Err(error::invalid_body("The name must not be blank."));
    }
    if new.executable.trim().is_empty() {
        return Err(error::invalid_body("The executable must not be blank."));
    }
    let entry = api.catalogue_entry(GameServerId(new.game_server_id.0)).await?;
    api.add_config(entry, new, &caller).await
}

impl CommandApi {
    async fn catalogue_entry(&self, id: GameServerId) -> Result<CatalogueEntry, Problem> {
        let server = self.store.game_servers.load(&id.to_string()).await;
        let entry = server.map_err(error::game_server)?.state.entry.clone();
        entry.ok_or_else(error::game_server_not_found)
    }

    async fn add_config(
        &self,
        entry: CatalogueEntry,
        new: NewGameServerConfig,
        caller: &Caller,
    ) -> Result<Written, Problem> {
        let id = self.ids.game_server_config.next().await.map_err(Failure::from)?;
        let supervision = new.supervision.map(WantedSupervision::into_domain);
        let added = GameServerConfig {
            game_server_config_id: Id(id),
            game_server_id: new.game_server_id,
            game_server_name: entry.name,
            server_type: entry.server_type.as_str().to_owned(),
            app_id: entry.app_id,
            name: new.name,
            executable: new.executable,
            args: new.args,
            env_var: new.env_var,
            post_install_commands: new.post_install_commands,
            is_default: new.is_default,
            is_visible: new.is_visible,
            supervision: shown(supervision.clone().unwrap_or_default()),
        };
        let reply = Reply::created(format!("/v1/game-server-configs/{id}"), &added)?;
        let command = GameServerConfigCommand::Add {
            game_server_config_id: GameServerConfigId(id),
            game_server_id: entry.game_server_id,
            name: added.name,
            is_default: added.is_default,
            is_visible: added.is_visible,
            server_type: entry.server_type,
            executable: added.executable,
            args: added.args,
            env_var: added.env_var,
            post_install_commands: added.post_install_commands,
            supervision,
        };
        let context = caller.answering(caller.user(), &reply)?;
        let done = self.store.configs.create(&id.to_string(), command, &context).await;
        Ok(reply.to(&done.map_err(error::config)?)?)
    }
}
