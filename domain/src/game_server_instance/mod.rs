//! A game server instance: one run of a game server on a worker.

mod aggregate;
mod command;
mod event;
mod refusal;
mod report;
#[cfg(test)]
mod tests;

pub use aggregate::{GameServerInstance, InstanceClosure, Run};
pub use command::InstanceCommand;
pub use event::{InstanceClosedBy, InstanceEvent, InstanceLostBy};
pub use refusal::InstanceRefusal;
pub use report::{InstanceReport, Progress, StatusDetail};
