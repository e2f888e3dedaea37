//! An agent becomes a worker, or comes back as the one it was.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::worker::{Agent, Registration, Surface, WorkerCommand, WorkerRefusal};
use domain::{Claim, ClaimScope, Worker, WorkerId};
use event_store::{Actor, ExecuteError, Loaded};
use serde::{Deserialize, Serialize};
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, JsonBody};
use service::problem::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error;
use crate::CommandApi;
use crate::context::{Caller, agent};
use crate::failure::Failure;
use crate::heartbeats::{Entity, Seen};
use crate::reply::{Reply, Written};

/// How often a name is looked for anew that was taken or given up meanwhile.
const ATTEMPTS: usize = 8;

/// An agent that wants to be the worker of a name.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewWorker {
    /// The name: 1 to 128 printable characters without blanks at its ends. No two open workers have the same.
    name: String,
    /// The agent, which keeps this id: whoever has it may come back at any time.
    agent_id: Uuid,
    /// The agent's version, for people.
    agent_version: String,
}

/// The worker that an agent is now.
#[derive(Serialize, ToSchema)]
pub(super) struct AttachedWorker {
    /// Its id.
    worker_id: Id,
    /// Its name.
    name: String,
    /// When it registered first.
    created_at: DateTime<Utc>,
    /// What it was until now.
    attached: Attachment,
}

/// What a worker was before an agent registered as it.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Attachment {
    /// It did not exist.
    Registered,
    /// It was this agent's.
    Reattached,
    /// It was another agent's, which fell silent.
    TakenOver,
}

/// Makes an agent the worker of a name: a new one, or the open one of that name. Another agent's worker is taken over
/// once that agent has been silent for 5 seconds.
#[utoipa::path(
    post,
    path = "/v1/workers",
    request_body = NewWorker,
    responses(
        (status = 200, description = "The worker there was", body = AttachedWorker),
        (status = 201, description = "A new worker", body = AttachedWorker, headers(("Location" = String, description = "Where it is found"))),
        (status = 409, description = "`worker_name_in_use`: another agent has the name and is alive", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_worker_name`, `invalid_body`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn register_worker(
    State(api): State<Arc<CommandApi>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewWorker>,
) -> Result<Written, Problem> {
    let NewWorker { name, agent_id, agent_version: version } = new;
    let named = Named { name, agent: Agent { agent_id, version } };
    // The domain knows what is a name; the log is asked only for what may be one.
    let refused = |refusal| error::worker(ExecuteError::Refused(refusal));
    Worker::default().decide(named.register(WorkerId(0), caller.at)).map_err(refused)?;
    api.become_worker(&named, &caller).await
}

/// A name and the agent that wants to have it.
struct Named {
    name: String,
    agent: Agent,
}

impl Named {
    fn register(&self, worker_id: WorkerId, at: domain::Instant) -> WorkerCommand {
        WorkerCommand::Register {
            worker_id,
            surface: Surface::Native,
            name: Some(self.name.clone()),
            agent: Some(self.agent.clone()),
            at,
        }
    }
}

impl CommandApi {
    /// The claim decides who has a name, and is asked first. It may change hands until something is appended: whoever
    /// loses that race looks again.
    async fn become_worker(&self, named: &Named, caller: &Caller) -> Result<Written, Problem> {
        let claim = Claim { scope: ClaimScope::WorkerName, key: named.name.clone() };
        for _ in 0..ATTEMPTS {
            let holder = self.store.log.holder_of(&claim).await.map_err(Failure::database)?;
            let tried = match holder {
                None => self.register(named, caller).await?,
                Some(holder) => self.attach(&holder, named, caller).await?,
            };
            if let Some(written) = tried {
                return Ok(written);
            }
        }
        Err(Failure::Busy.into())
    }

    /// `None`: somebody else got the name meanwhile.
    async fn register(&self, named: &Named, caller: &Caller) -> Result<Option<Written>, Problem> {
        let worker_id = self.ids.worker.next().await.map_err(Failure::from)?;
        let worker_id = WorkerId(worker_id);
        // On the clock of heartbeats, with which it will be compared.
        let at = self.heartbeats.seen(Entity::Worker(worker_id)).await?.now;
        let command = named.register(worker_id, at);
        let context = caller.context(Actor::agent("new-worker"));
        let done = match self.store.workers.create(&worker_id.to_string(), command, &context).await
        {
            Err(ExecuteError::ClaimTaken(_)) => return Ok(None),
            done => done.map_err(error::worker)?,
        };
        self.heartbeats.record(Entity::Worker(worker_id));
        let reply = Reply::created(
            format!("/v1/workers/{worker_id}"),
            &AttachedWorker {
                worker_id: Id(worker_id.0),
                name: named.name.clone(),
                created_at: at,
                attached: Attachment::Registered,
            },
        )?;
        Ok(Some(reply.to(&done)?))
    }

    /// `None`: the worker was closed meanwhile, and its name is free.
    async fn attach(
        &self,
        holder: &str,
        named: &Named,
        caller: &Caller,
    ) -> Result<Option<Written>, Problem> {
        let before: Loaded<Worker> =
            self.store.workers.reload(holder).await.map_err(error::worker)?;
        let Some(Registration { worker_id, registered_at, .. }) = before.state.registration else {
            return Err(Problem::internal(format!("no worker {holder}, which has a name")));
        };
        let Seen { now, last_heartbeat_at } =
            self.heartbeats.seen(Entity::Worker(worker_id)).await?;
        let agent_id = named.agent.agent_id;
        let command =
            WorkerCommand::Attach { agent: named.agent.clone(), at: now, last_heartbeat_at };
        let context = caller.context(agent(worker_id));
        let done = match self.store.workers.execute(holder, command, &context).await {
            Err(ExecuteError::Refused(WorkerRefusal::Gone { .. })) => return Ok(None),
            Err(ExecuteError::Refused(WorkerRefusal::NameInUse { last_heartbeat_at, .. })) => {
                return Err(error::name_in_use(worker_id, last_heartbeat_at, now));
            }
            done => done.map_err(error::worker)?,
        };
        self.heartbeats.record(Entity::Worker(worker_id));
        let is_its_own =
            before.state.agent.as_ref().is_some_and(|there| there.agent_id == agent_id);
        let reply = Reply::of(&AttachedWorker {
            worker_id: Id(worker_id.0),
            name: named.name.clone(),
            created_at: registered_at,
            attached: if is_its_own { Attachment::Reattached } else { Attachment::TakenOver },
        })?;
        Ok(Some(reply.to(&done)?))
    }
}
