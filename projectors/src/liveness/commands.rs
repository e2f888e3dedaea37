//! Commands for the differences found, with who and why.

use std::error::Error;

use ::metrics::counter;
use domain::game_server_instance::InstanceCommand;
use domain::worker::WorkerCommand;
use event_store::{Actor, CommandContext, EventStore, ExecuteError, Executed};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use uuid::Uuid;

use crate::metrics::LIVENESS_COMMANDS;
use crate::subscription::in_words;

/// How many commands are carried out at once; their appends share statements.
const CONCURRENT: usize = 64;

/// A command that a difference calls for.
#[derive(Debug)]
pub(super) struct Finding<C> {
    /// What the difference is, for metrics.
    pub(super) kind: &'static str,
    /// The worker or instance.
    pub(super) id: i32,
    pub(super) command: C,
    /// The event that the difference follows from.
    pub(super) caused_by: Option<Uuid>,
    /// Why, in words for a person.
    pub(super) reason: String,
}

pub(super) struct Commands<'a> {
    store: &'a EventStore,
}

impl<'a> Commands<'a> {
    pub(super) fn new(store: &'a EventStore) -> Self {
        Self { store }
    }

    pub(super) async fn to_workers(&self, findings: Vec<Finding<WorkerCommand>>) {
        let commands = findings.into_iter().map(|finding| self.to_worker(finding).boxed());
        carry_out(commands.collect()).await;
    }

    pub(super) async fn to_instances(&self, findings: Vec<Finding<InstanceCommand>>) {
        let commands = findings.into_iter().map(|finding| self.to_instance(finding).boxed());
        carry_out(commands.collect()).await;
    }

    async fn to_worker(&self, finding: Finding<WorkerCommand>) {
        let (id, context) = (finding.id.to_string(), context(&finding));
        let outcome = self.store.workers.execute(&id, finding.command.clone(), &context).await;
        tell(&finding, effect(outcome));
    }

    async fn to_instance(&self, finding: Finding<InstanceCommand>) {
        let (id, context) = (finding.id.to_string(), context(&finding));
        let outcome = self.store.instances.execute(&id, finding.command.clone(), &context).await;
        tell(&finding, effect(outcome));
    }
}

async fn carry_out(commands: Vec<BoxFuture<'_, ()>>) {
    futures::stream::iter(commands).buffer_unordered(CONCURRENT).collect::<()>().await;
}

/// Whether the command had an effect; none means that another replica, or the entity itself, was first.
fn effect<A, E: Error>(outcome: Result<Executed<A>, ExecuteError<E>>) -> Result<bool, String> {
    match outcome {
        Ok(executed) => Ok(executed.position().is_some()),
        // Decided on a stale read: it was closed meanwhile. The next pass sees that.
        Err(ExecuteError::Refused(refusal)) => {
            tracing::debug!(%refusal, "superfluous command refused");
            Ok(false)
        }
        Err(error) => Err(in_words(&error)),
    }
}

fn tell<C>(finding: &Finding<C>, effect: Result<bool, String>) {
    let (kind, id, reason) = (finding.kind, finding.id, &finding.reason);
    match effect {
        Ok(true) => {
            counter!(LIVENESS_COMMANDS, "kind" => kind).increment(1);
            tracing::info!(id, reason, "{kind}");
        }
        Ok(false) => {}
        // The difference stays, so the next pass tries again.
        Err(error) => tracing::warn!(kind, id, error, "liveness command failed"),
    }
}

fn context<C>(finding: &Finding<C>) -> CommandContext {
    CommandContext {
        causation_id: finding.caused_by,
        reason: Some(finding.reason.clone()),
        ..CommandContext::new(Actor::system("liveness"), Uuid::now_v7())
    }
}
