//! A worker: the agent on one game host.

mod agent;
mod aggregate;
mod command;
mod event;
mod refusal;
mod requests;
#[cfg(test)]
mod tests;

pub use agent::{AGENT_ALIVE_FOR, Agent, AttachedAgent};
pub use aggregate::{Registration, Worker, WorkerClosure};
pub use command::{Outcome, Request, WorkerCommand};
pub use event::{Surface, WorkerClosedBy, WorkerEvent};
pub use refusal::WorkerRefusal;
pub use requests::{PendingRequest, RequestSummary};
