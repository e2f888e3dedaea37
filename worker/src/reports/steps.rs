//! What a delivery does on its way. Everything is safe to be given up halfway: what was not settled is told again.

use std::sync::Arc;
use std::time::Duration;

use messaging::{Outgoing, PublishError, Publisher, Topology};

use super::delivery::Done;
use super::report::{Lane, Report, Spooled};
use super::shared::Shared;
use super::telling::{Call, Status, Telling};
use crate::api::{Api, ApiError};

const AFTER_A_DEFECT: Duration = Duration::from_secs(1);

/// How a call ended that is behind us.
pub(super) struct Called {
    pub(super) spooled: Arc<Spooled>,
    /// An error is worth another attempt; what was refused is settled.
    pub(super) result: Result<(), ApiError>,
}

/// Statuses on their way, in order within each lane.
#[derive(Default)]
pub(super) struct Batch {
    lanes: Vec<Lane>,
    spooled: Vec<Arc<Spooled>>,
    messages: Vec<Outgoing>,
    /// What can never be a message, and why.
    impossible: Vec<(Arc<Spooled>, String)>,
}

/// How a batch ended.
pub(super) struct Published {
    pub(super) publisher: Publisher,
    pub(super) lanes: Vec<Lane>,
    /// How many of it were told; an error is worth another attempt.
    pub(super) result: Result<usize, BatchError>,
}

/// Why not all of a batch was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("there was no queue for statuses; it was declared again")]
    Unroutable,
}

/// Does what may wait for a disk where nobody else waits for it.
pub(super) async fn off_the_runtime(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        // A defect. What it left undone is done again with the next attempt, which must not follow at once.
        tracing::error!(%error, "settling a report failed");
        tokio::time::sleep(AFTER_A_DEFECT).await;
    }
}

/// Makes a call and settles its report.
pub(super) async fn call(shared: Arc<Shared>, api: Api, spooled: Arc<Spooled>, call: Call) -> Done {
    let result = call.make(&api, &spooled).await;
    let settled = Arc::clone(&spooled);
    let result = match result {
        // Its status is still to be told.
        Ok(_) if matches!(spooled.report, Report::StrayInstanceEnded { .. }) => {
            shared.queue().is_half_told(&spooled);
            Ok(())
        }
        Ok(created) => {
            off_the_runtime(move || shared.told(&settled, created)).await;
            Ok(())
        }
        Err(error) if error.is_worth_retrying() => Err(error),
        Err(error) => {
            off_the_runtime(move || shared.rejected(&settled, error.in_full())).await;
            Ok(())
        }
    };
    Done::Called(Called { spooled, result })
}

/// Settles a report that needs no transport.
pub(super) async fn settle(shared: Arc<Shared>, spooled: Arc<Spooled>, telling: Telling) -> Done {
    let lane = spooled.lane;
    off_the_runtime(move || match telling {
        Telling::Known => shared.told(&spooled, None),
        Telling::Pointless { reason } => shared.rejected(&spooled, reason),
        Telling::Call(_) | Telling::Status(_) => {}
    })
    .await;
    Done::Settled(lane)
}

impl Batch {
    pub(super) const fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn add(
        &mut self,
        topology: &Topology,
        lane: Lane,
        statuses: Vec<(Arc<Spooled>, Status)>,
    ) {
        self.lanes.push(lane);
        for (spooled, status) in statuses {
            match status.message(topology, &spooled) {
                Ok(message) => {
                    self.spooled.push(spooled);
                    self.messages.push(message);
                }
                Err(error) => self.impossible.push((spooled, error.to_string())),
            }
        }
    }

    /// The broker's library cannot send one of the messages: the others go without it, next time.
    fn is_impossible(&mut self, message_id: &str, reason: &str) {
        let found = self.messages.iter().position(|message| message.message_id == message_id);
        if let Some(place) = found {
            self.messages.truncate(place);
            self.spooled.truncate(place + 1);
            self.impossible.extend(self.spooled.pop().map(|spooled| (spooled, reason.to_owned())));
        }
    }

    /// Of each lane those before the first that no queue took: what comes after it is told after it.
    fn told(&self, outcomes: &[messaging::Published]) -> Vec<Arc<Spooled>> {
        let mut stuck = None;
        let mut told = Vec::with_capacity(outcomes.len());
        for (spooled, outcome) in self.spooled.iter().zip(outcomes) {
            if stuck == Some(spooled.lane) {
                continue;
            }
            match outcome {
                messaging::Published::Routed => told.push(Arc::clone(spooled)),
                messaging::Published::Unroutable { .. } => stuck = Some(spooled.lane),
            }
        }
        told
    }
}

/// Publishes a batch and settles what the broker has confirmed.
pub(super) async fn publish(
    shared: Arc<Shared>,
    mut publisher: Publisher,
    topology: Topology,
    mut batch: Batch,
) -> Done {
    let lanes = std::mem::take(&mut batch.lanes);
    let result = match publisher.publish(&batch.messages).await {
        Ok(outcomes) => {
            let told = batch.told(&outcomes);
            let (all, count) = (batch.len(), told.len());
            let settling = Arc::clone(&shared);
            off_the_runtime(move || told.iter().for_each(|spooled| settling.told(spooled, None)))
                .await;
            if count == all { Ok(count) } else { declare(&mut publisher, &topology).await }
        }
        Err(PublishError::Invalid { message_id, source }) => {
            batch.is_impossible(&message_id, &source.to_string());
            Ok(0)
        }
        Err(error) => Err(error.into()),
    };
    let impossible = std::mem::take(&mut batch.impossible);
    off_the_runtime(move || {
        for (spooled, reason) in impossible {
            shared.rejected(&spooled, reason);
        }
    })
    .await;
    Done::Published(Box::new(Published { publisher, lanes, result }))
}

/// The queue of the statuses is gone though the connection is not: somebody has deleted it.
async fn declare(publisher: &mut Publisher, topology: &Topology) -> Result<usize, BatchError> {
    publisher.declare_queue(&topology.internal_status_queue()).await?;
    Err(BatchError::Unroutable)
}
