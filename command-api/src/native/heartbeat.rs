//! An agent's signs of life: its own, those of what it runs, and what that prints, in one call.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use domain::worker::{WorkerCommand, WorkerRefusal};
use domain::{GameServerInstanceId, WorkerId};
use event_store::ExecuteError;
use futures::{StreamExt, stream};
use serde::Deserialize;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, JsonBody, PathText};
use service::problem::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error;
use crate::CommandApi;
use crate::heartbeats::{Entity, Output};

/// How many instances a heartbeat may name.
const MOST_INSTANCES: usize = 1_000;

/// How many instances are looked up at once, where they are not in memory.
const LOOKED_UP_AT_ONCE: usize = 16;

/// A sign of life of an agent and of what it runs.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentHeartbeat)]
pub(super) struct Heartbeat {
    /// The agent.
    agent_id: Uuid,
    /// What it runs; at most 1,000. Others than its worker's own are passed over.
    #[serde(default)]
    game_server_instances: Vec<InstanceBeat>,
}

/// A sign of life of an instance.
#[derive(Deserialize, ToSchema)]
pub(super) struct InstanceBeat {
    /// The instance.
    game_server_instance_id: Id,
    /// What it printed last; absent while that is what was told before.
    output: Option<ToldOutput>,
}

/// The end of what an instance printed.
#[derive(Deserialize, ToSchema)]
pub(super) struct ToldOutput {
    /// How many lines it printed in all.
    lines_total: u64,
    /// The last of them, oldest first. Of more than 50 the last are kept, and 500 characters of each.
    tail: Vec<String>,
}

/// Takes a sign of life of an agent and of what it runs.
#[utoipa::path(
    post,
    path = "/v1/workers/{id}/heartbeat",
    params(("id" = Id, Path, description = "Id of the worker")),
    request_body = Heartbeat,
    responses(
        (status = 204, description = "Taken"),
        (status = 404, description = "`worker_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`worker_taken_over`: another agent has attached since", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "`worker_closed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_body`, `too_many_instances`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn heartbeat_of_worker(
    State(api): State<Arc<CommandApi>>,
    path: PathText,
    JsonBody(beat): JsonBody<Heartbeat>,
) -> Result<StatusCode, Problem> {
    let worker_id = path.id("id")?.map(WorkerId).ok_or_else(error::worker_not_found)?;
    if beat.game_server_instances.len() > MOST_INSTANCES {
        return Err(error::too_many_instances(MOST_INSTANCES));
    }
    api.hear(worker_id, beat.agent_id).await.map_err(error::worker)?;
    api.heartbeats.record(Entity::Worker(worker_id));
    let own = stream::iter(beat.game_server_instances)
        .map(|beat| api.own_instance(worker_id, beat))
        .buffer_unordered(LOOKED_UP_AT_ONCE);
    own.for_each(async |beat| api.note(beat)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// An instance of the worker that speaks, and what it printed last.
struct OwnInstance {
    id: GameServerInstanceId,
    output: Option<ToldOutput>,
}

impl CommandApi {
    /// Whether the agent speaks as the worker. A refusal is final to an agent, so it is not decided from memory: the
    /// agent may have attached through another process a moment ago.
    async fn hear(
        &self,
        worker_id: WorkerId,
        agent_id: Uuid,
    ) -> Result<(), ExecuteError<WorkerRefusal>> {
        let (stream, agent_id) = (worker_id.to_string(), Some(agent_id));
        let known = self.store.workers.load_or_last(&stream).await?;
        if known.state.decide(WorkerCommand::Heartbeat { agent_id }).is_ok() {
            return Ok(());
        }
        let latest = self.store.workers.reload(&stream).await?;
        let heard = latest.state.decide(WorkerCommand::Heartbeat { agent_id });
        heard.map(drop).map_err(ExecuteError::Refused)
    }

    /// `None`: it is no instance of this worker, or nobody can tell now. That of the others still counts.
    async fn own_instance(&self, worker_id: WorkerId, beat: InstanceBeat) -> Option<OwnInstance> {
        let id = GameServerInstanceId(beat.game_server_instance_id.0);
        let known = self.store.instances.load_or_last(&id.to_string()).await;
        let instance = match known {
            Ok(instance) => instance.state,
            Err(error) => {
                tracing::debug!(%error, instance_id = id.0, "heartbeat of an instance not taken");
                return None;
            }
        };
        let is_own = instance.run.as_ref().is_some_and(|run| run.worker_id == worker_id);
        is_own.then_some(OwnInstance { id, output: beat.output })
    }

    fn note(&self, own: Option<OwnInstance>) {
        let Some(OwnInstance { id, output }) = own else { return };
        self.heartbeats.record(Entity::Instance(id));
        if let Some(ToldOutput { lines_total, tail }) = output {
            self.heartbeats.record_output(id, Output::new(lines_total, &tail));
        }
    }
}
