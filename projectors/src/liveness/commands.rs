//! Commands for the differences found, with who and why.

use std::error::Error;

use domain::game_server_instance::InstanceCommand;
use domain::worker::WorkerCommand;
use event_store::{Actor, CommandContext, EventStore, ExecuteError, Executed};
use futures::StreamExt;
use metrics::counter;
use uuid::Uuid;

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
        carry_out(findings, async |finding: &Finding<WorkerCommand>, context| {
            let id = finding.id.to_string();
            effect(self.store.workers.execute(&id, finding.command.clone(), &context).await)
        })
        .await;
    }

    pub(super) async fn to_instances(&self, findings: Vec<Finding<InstanceCommand>>) {
        carry_out(findings, async |finding: &Finding<InstanceCommand>, context| {
            let id = finding.id.to_string();
            effect(self.store.instances.execute(&id, finding.command.clone(), &context).await)
        })
        .await;
    }
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

async fn carry_out<C>(
    findings: Vec<Finding<C>>,
    execute: impl AsyncFn(&Finding<C>, CommandContext) -> Result<bool, String>,
) {
    futures::stream::iter(&findings)
        .for_each_concurrent(CONCURRENT, async |finding| {
            match execute(finding, context(finding)).await {
                Ok(true) => {
                    let (kind, id, reason) = (finding.kind, finding.id, &finding.reason);
                    counter!("manman_liveness_commands_total", "kind" => kind).increment(1);
                    tracing::info!(kind, id, reason, "liveness");
                }
                Ok(false) => {}
                // The difference stays, so the next pass tries again.
                Err(error) => tracing::warn!(
                    kind = finding.kind,
                    id = finding.id,
                    error,
                    "liveness command failed"
                ),
            }
        })
        .await;
}

fn context<C>(finding: &Finding<C>) -> CommandContext {
    CommandContext {
        causation_id: finding.caused_by,
        reason: Some(finding.reason.clone()),
        ..CommandContext::new(Actor::system("liveness"), Uuid::now_v7())
    }
}
