//! What came of a command, as its worker's agent tells it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::worker::{Outcome, WorkerCommand, WorkerRefusal};
use domain::{GameServerInstanceId, RequestId, WorkerId};
use event_store::{ExecuteError, Position};
use query_api::freshness::POSITION_HEADER;
use serde::Deserialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, JsonBody, PathText};
use service::problem::Problem;
use utoipa::ToSchema;

use super::error;
use crate::CommandApi;
use crate::context::{Caller, agent};

/// What came of a command.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[schema(as = CommandOutcome)]
pub(super) enum ToldOutcome {
    /// It was carried out.
    Fulfilled {
        /// The instance that shows it, where there is one.
        game_server_instance_id: Option<Id>,
    },
    /// It was not tried.
    Refused {
        /// Why; at most 2,000 characters are kept.
        reason: String,
    },
    /// It was tried in vain.
    Failed {
        /// Why; at most 2,000 characters are kept.
        reason: String,
    },
}

/// Records what came of a command. The first outcome stays: telling another one later changes nothing.
#[utoipa::path(
    put,
    path = "/v1/workers/{id}/commands/{command_id}/outcome",
    params(
        ("id" = Id, Path, description = "Id of the worker"),
        ("command_id" = uuid::Uuid, Path, description = "Id of the command"),
    ),
    request_body = ToldOutcome,
    responses(
        (status = 204, description = "It has an outcome"),
        (status = 404, description = "`worker_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_body`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_outcome(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    path: PathText,
    JsonBody(outcome): JsonBody<ToldOutcome>,
) -> Result<Response, Problem> {
    let worker_id = path.id("id")?.map(WorkerId).ok_or_else(error::worker_not_found)?;
    let request_id = RequestId(path.uuid("command_id")?);
    let position = api.resolve(worker_id, request_id, outcome.into(), &caller).await;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(position) = position.map_err(error::worker)? {
        response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.0));
    }
    Ok(response)
}

impl CommandApi {
    /// That there is nothing to resolve is not decided from memory: the agent may know of a request before the
    /// notification of it was here, and its outcome must not be lost.
    async fn resolve(
        &self,
        worker_id: WorkerId,
        request_id: RequestId,
        outcome: Outcome,
        caller: &Caller,
    ) -> Result<Option<Position>, ExecuteError<WorkerRefusal>> {
        let stream = worker_id.to_string();
        let known = self.store.workers.load(&stream).await?;
        if !known.state.pending.contains_key(&request_id) {
            self.store.workers.reload(&stream).await?;
        }
        let command = WorkerCommand::Resolve { request_id, outcome, at: caller.at };
        let context = caller.context(agent(worker_id));
        Ok(self.store.workers.execute(&stream, command, &context).await?.position())
    }
}

impl From<ToldOutcome> for Outcome {
    fn from(told: ToldOutcome) -> Self {
        match told {
            ToldOutcome::Fulfilled { game_server_instance_id: id } => {
                let game_server_instance_id = id.map(|id| GameServerInstanceId(id.0));
                Self::Fulfilled { game_server_instance_id }
            }
            ToldOutcome::Refused { reason } => Self::Refused { reason },
            ToldOutcome::Failed { reason } => Self::Failed { reason },
        }
    }
}
