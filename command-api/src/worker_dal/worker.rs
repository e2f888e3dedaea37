//! Workers come and go.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::worker::{Registration, Surface, WorkerClosedBy, WorkerCommand, WorkerRefusal};
use domain::{Worker, WorkerId};
use event_store::{Actor, CommandContext, ExecuteError, Executed, Position};
use futures::{StreamExt, TryStreamExt, stream};
use query_api::read_models::Worker as WorkerJson;
use serde::Serialize;
use service::v1::schema::{HttpValidationError, Refusal};
use service::v1::time::iso;
use service::v1::{Check, JsonBody, V1Error};
use utoipa::ToSchema;

use crate::CommandApi;
use crate::context::{Caller, agent};
use crate::error;
use crate::failure::Failure;
use crate::heartbeats::Entity;
use crate::reply::{Reply, Written};

/// How many workers are closed at the same time: enough to share a group commit.
const CLOSED_AT_ONCE: usize = 32;

/// A worker that registered just now. v1 leaves the other keys out.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisteredWorker {
    /// Its id.
    worker_id: i32,
    /// When it registered.
    #[serde(serialize_with = "iso")]
    created_date: DateTime<Utc>,
}

/// What the server uses of the worker that a client sends back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct WorkerReference {
    /// Its id.
    worker_id: Option<i32>,
}

/// Registers a worker. The body is not looked at.
#[utoipa::path(
    post,
    path = "/worker/create",
    responses((status = 200, description = "The new worker", body = RegisteredWorker))
)]
pub(super) async fn create(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
) -> Result<Written, V1Error> {
    let (worker_id, at) = (api.ids.worker.next().await.map_err(Failure::from)?, caller.at);
    let reply = Reply::of(&RegisteredWorker { worker_id, created_date: at })?;
    let worker_id = WorkerId(worker_id);
    let command =
        WorkerCommand::Register { worker_id, surface: Surface::V1, name: None, agent: None, at };
    let context = caller.answering(Actor::agent("new-worker"), &reply)?;
    let done = api.store.workers.create(&worker_id.to_string(), command, &context).await;
    Ok(reply.to(&done.map_err(error::worker)?)?)
}

/// Ends a worker's registration.
#[utoipa::path(
    put,
    path = "/worker/shutdown",
    request_body = WorkerReference,
    responses(
        (status = 200, description = "The closed worker", body = WorkerJson),
        (status = 404, description = "There is none", body = Refusal),
        (status = 409, description = "It was closed before", body = Refusal),
        (status = 422, description = "The body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn shutdown(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let worker_id = worker_id(&body)?.ok_or_else(error::worker_not_found)?;
    let worker = api.store.workers.load(&worker_id.to_string()).await;
    let worker = worker.map_err(error::worker)?;
    let last_heartbeat = api.heartbeats.last(Entity::Worker(worker_id)).await?;
    let closed = WorkerJson { end_date: Some(caller.at), last_heartbeat, ..shown(&worker.state)? };
    let reply = Reply::of(&closed)?;
    let context = caller.answering(agent(worker_id), &reply)?;
    let done = api.close(worker_id, WorkerClosedBy::Shutdown, &caller, &context).await;
    Ok(reply.to(&done.map_err(error::worker)?)?)
}

/// Closes every other open worker that speaks v1.
#[utoipa::path(
    put,
    path = "/worker/shutdown/other",
    request_body = WorkerReference,
    responses(
        (status = 200, description = "`null`"),
        (status = 404, description = "There is no such worker, and nobody is closed", body = Refusal),
        (status = 410, description = "This worker is closed itself", body = Refusal),
        (status = 422, description = "The body does not fit", body = HttpValidationError),
    )
)]
pub(super) async fn shutdown_others(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Written, V1Error> {
    let worker_id = worker_id(&body)?.ok_or_else(error::worker_not_found)?;
    api.open_worker(worker_id).await.map_err(error::take_over)?;
    let others = api.other_v1_workers(worker_id).await?;
    let reply = Reply::of(&())?;
    let position = api.supersede(&others, worker_id, &caller, &reply).await?;
    Ok(reply.written_at(position))
}

impl CommandApi {
    /// An open worker, from memory when it is there. Whatever a worker says is a sign of life, so what the domain says
    /// to a heartbeat holds for all of it.
    pub(super) async fn open_worker(
        &self,
        worker_id: WorkerId,
    ) -> Result<Arc<Worker>, ExecuteError<WorkerRefusal>> {
        // A sign of life counts while the database is away, too; what must be appended then fails there.
        let worker = self.store.workers.load_or_last(&worker_id.to_string()).await?.state;
        worker
            .decide(WorkerCommand::Heartbeat { agent_id: None })
            .map_err(ExecuteError::Refused)?;
        Ok(worker)
    }

    async fn close(
        &self,
        worker_id: WorkerId,
        by: WorkerClosedBy,
        caller: &Caller,
        context: &CommandContext,
    ) -> Result<Executed<Worker>, ExecuteError<WorkerRefusal>> {
        let command = WorkerCommand::Close { at: caller.at, by };
        self.store.workers.execute(&worker_id.to_string(), command, context).await
    }

    /// Closes workers on behalf of another one. Those that are closed meanwhile are fine as they are. The answer is kept
    /// with the last one, when all others are closed.
    async fn supersede(
        &self,
        workers: &[WorkerId],
        by: WorkerId,
        caller: &Caller,
        reply: &Reply,
    ) -> Result<Option<Position>, V1Error> {
        let Some((last, rest)) = workers.split_last() else { return Ok(None) };
        let unanswered = caller.context(agent(by));
        let answering = caller.answering(agent(by), reply)?;
        let close = |worker_id: WorkerId, context| async move {
            let by = WorkerClosedBy::SupersededBy(by);
            match self.close(worker_id, by, caller, context).await {
                Ok(executed) => Ok(executed.position()),
                Err(ExecuteError::Refused(WorkerRefusal::AlreadyClosed { .. })) => Ok(None),
                Err(error) => Err(error::take_over(error)),
            }
        };
        let closed: Vec<_> = stream::iter(rest.iter().copied())
            .map(|worker_id| close(worker_id, &unanswered))
            .buffer_unordered(CLOSED_AT_ONCE)
            .try_collect()
            .await?;
        let last = close(*last, &answering).await?;
        Ok(closed.into_iter().flatten().chain(last).max())
    }
}

/// The worker that a client says it is. An id that no worker can have is none.
pub(super) fn worker_id(body: &JsonBody) -> Result<Option<WorkerId>, V1Error> {
    let mut check = Check::new();
    let id = check.body(body).optional_int("worker_id");
    let id = check.finish(|| id)?;
    Ok(id.and_then(service::v1::Int::id).map(WorkerId))
}

/// A worker as v1 shows it, without its heartbeat.
pub(super) fn shown(worker: &Worker) -> Result<WorkerJson, V1Error> {
    let Registration { worker_id, registered_at, .. } =
        worker.registration.as_ref().ok_or_else(error::worker_not_found)?;
    Ok(WorkerJson {
        worker_id: worker_id.0,
        created_date: *registered_at,
        end_date: worker.closure.map(|closure| closure.closed_at),
        last_heartbeat: None,
    })
}
