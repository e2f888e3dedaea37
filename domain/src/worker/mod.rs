//! A worker: the agent on one game host.

mod aggregate;
mod command;
mod event;
mod pending;
mod refusal;
#[cfg(test)]
mod tests;

pub use aggregate::{Registration, Worker, WorkerClosure};
pub use command::{Outcome, Request, WorkerCommand};
pub use event::{Surface, WorkerClosedBy, WorkerEvent};
pub use pending::{PendingRequest, RequestSummary};
pub use refusal::WorkerRefusal;
