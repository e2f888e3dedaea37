//! How a config's process is stopped, and when it is started again.

use std::sync::Arc;

use axum::extract::State;
use domain::GameServerConfigId;
use domain::game_server_config::{GameServerConfigCommand, RestartPolicy, Supervision};
use query_api::native::Supervision as SupervisionJson;
use serde::{Deserialize, Serialize};
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, JsonBody, PathText};
use service::problem::Problem;
use utoipa::ToSchema;

use super::error;
use super::headers::UserHeaders;
use crate::CommandApi;
use crate::context::Caller;
use crate::reply::{Reply, Written};

/// How a game server's process is to be stopped, and when it is to be started again. What is absent is as v1 does it.
#[derive(Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct WantedSupervision {
    /// A console line that asks the game server to end; without one it gets SIGTERM at once.
    stop_line: Option<String>,
    /// How long it may take to end after the stop line, and again after SIGTERM, before it is killed, in seconds: 0 to
    /// 120.
    stop_grace_seconds: i32,
    /// When it is started again after it ended unasked.
    #[schema(inline)]
    restart: WantedRestart,
    /// How many restarts are made within the window before it stays down: 0 to 1,000.
    restart_limit: i32,
    /// The window, in seconds: 1 to 86,400.
    restart_window_seconds: i32,
}

/// When a game server is started again.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WantedRestart {
    /// Never.
    Never,
    /// When it crashed.
    OnFailure,
    /// However it ended.
    Always,
}

impl Default for WantedSupervision {
    fn default() -> Self {
        let usual = Supervision::default();
        Self {
            stop_line: usual.stop_line,
            stop_grace_seconds: usual.stop_grace_seconds,
            restart: match usual.restart {
                RestartPolicy::Never => WantedRestart::Never,
                RestartPolicy::OnFailure => WantedRestart::OnFailure,
                RestartPolicy::Always => WantedRestart::Always,
            },
            restart_limit: usual.restart_limit,
            restart_window_seconds: usual.restart_window_seconds,
        }
    }
}

impl WantedSupervision {
    pub(super) fn into_domain(self) -> Supervision {
        Supervision {
            stop_line: self.stop_line,
            stop_grace_seconds: self.stop_grace_seconds,
            restart: match self.restart {
                WantedRestart::Never => RestartPolicy::Never,
                WantedRestart::OnFailure => RestartPolicy::OnFailure,
                WantedRestart::Always => RestartPolicy::Always,
            },
            restart_limit: self.restart_limit,
            restart_window_seconds: self.restart_window_seconds,
        }
    }
}

/// As it is shown.
pub(super) fn shown(supervision: Supervision) -> SupervisionJson {
    SupervisionJson {
        stop_line: supervision.stop_line,
        stop_grace_seconds: supervision.stop_grace_seconds,
        restart: supervision.restart.as_str().to_owned(),
        restart_limit: supervision.restart_limit,
        restart_window_seconds: supervision.restart_window_seconds,
    }
}

/// Changes how a config's process is stopped and when it is started again, as a whole.
#[utoipa::path(
    put,
    path = "/v1/game-server-configs/{id}/supervision",
    params(("id" = Id, Path, description = "Id of the config"), UserHeaders),
    request_body = WantedSupervision,
    responses(
        (status = 200, description = "How it is now", body = SupervisionJson),
        (status = 400, description = "`invalid_idempotency_key`, `unreadable_body`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_server_config_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_body`, `control_characters`, `out_of_range`, `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_supervision(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
    JsonBody(wanted): JsonBody<WantedSupervision>,
) -> Result<Written, Problem> {
    let id = path.id("id")?.map(GameServerConfigId).ok_or_else(error::config_not_found)?;
    api.supervise(id, wanted.into_domain(), &caller).await
}

impl CommandApi {
    async fn supervise(
        &self,
        id: GameServerConfigId,
        supervision: Supervision,
        caller: &Caller,
    ) -> Result<Written, Problem> {
        let reply = Reply::of(&shown(supervision.clone()))?;
        let command = GameServerConfigCommand::SetSupervision(supervision);
        let context = caller.answering(caller.user(), &reply)?;
        let done = self.store.configs.execute(&id.to_string(), command, &context).await;
        Ok(reply.to(&done.map_err(error::config)?)?)
    }
}
