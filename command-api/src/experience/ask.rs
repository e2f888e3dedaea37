//! Asking something of a worker: recorded on its stream, from where it goes out to it, and answered at once.

use domain::worker::{Request, Surface, WorkerCommand, WorkerRefusal};
use domain::{RequestId, Worker, WorkerId};
use event_store::{ExecuteError, Executed};
use serde::Serialize;
use service::v1::V1Error;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::context::Caller;
use crate::error;
use crate::reply::{Reply, Written};

/// A request was accepted. What becomes of it is seen later.
#[derive(Serialize, ToSchema)]
pub(super) struct Ack {
    /// Always `success`.
    status: &'static str,
    /// What was sent, and to which worker.
    message: String,
}

impl CommandApi {
    /// Asks something of the current worker, which was `worker_id` a moment ago.
    pub(super) async fn ask_current(
        &self,
        mut worker_id: WorkerId,
        request: Request,
        caller: &Caller,
    ) -> Result<Written, V1Error> {
        loop {
            let message = format!("{} command sent to worker {worker_id}", name(&request));
            let reply = Reply::of(&Ack { status: "success", message })?;
            let gone = match self.ask(worker_id, request.clone(), caller, &reply).await? {
                Err(ExecuteError::Refused(gone @ WorkerRefusal::Gone { .. })) => gone,
                asked => return Ok(reply.to(&asked.map_err(error::request)?)?),
            };
            // Closed since it was looked up: the request is for whoever took over, if somebody did.
            let successor = self.current_worker().await?;
            if successor == worker_id {
                return Err(error::request(ExecuteError::Refused(gone)));
            }
            worker_id = successor;
        }
    }

    /// Asks something of a worker. The outer error is ours, the inner one the worker's.
    pub(super) async fn ask(
        &self,
        worker_id: WorkerId,
        request: Request,
        caller: &Caller,
        reply: &Reply,
    ) -> Result<Result<Executed<Worker>, ExecuteError<WorkerRefusal>>, V1Error> {
        let worker = match self.store.workers.load(&worker_id.to_string()).await {
            Ok(worker) => worker.state,
            Err(error) => return Ok(Err(error)),
        };
        // Of one that nobody registered no deadline counts.
        let surface = worker.registration.as_ref().map_or(Surface::V1, |it| it.surface);
        let command = WorkerCommand::Request {
            request_id: RequestId(caller.command_id),
            deadline: caller.at + self.timeouts.of(&request, surface),
            request,
            at: caller.at,
        };
        let context = caller.answering(caller.user(), reply)?;
        Ok(self.store.workers.execute(&worker_id.to_string(), command, &context).await)
    }
}

/// As v1's answers call it.
const fn name(request: &Request) -> &'static str {
    match request {
        Request::Start { .. } => "Start",
        Request::Stop { .. } => "Stop",
        Request::Stdin { .. } => "Stdin",
        Request::Shutdown => "Shutdown",
    }
}
