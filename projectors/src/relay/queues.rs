//! The queues that commands wait in. A v1 worker declares its own, but only some time after it
//! registered; ours is the same queue, there before the first command.

use std::collections::HashSet;

use domain::Event;
use domain::worker::{WorkerClosedBy, WorkerEvent};
use messaging::contract::EntityType;
use messaging::{PublishError, Publisher, Topology};

use crate::decoded::Decoded;

/// The most workers remembered; declaring a queue twice does no harm.
const MOST_REMEMBERED: usize = 10_000;

/// Which workers' queues were declared already.
pub(super) struct CommandQueues {
    topology: Topology,
    declared: HashSet<i32>,
}

impl CommandQueues {
    pub(super) fn new(topology: Topology) -> Self {
        Self { topology, declared: HashSet::new() }
    }

    /// Declares the queues not declared before by this process. A queue that has gone since is
    /// noticed by its command coming back.
    pub(super) async fn declare_new<'w>(
        &mut self,
        workers: impl Iterator<Item = &'w i32>,
        publisher: &mut Publisher,
    ) -> Result<(), PublishError> {
        if self.declared.len() > MOST_REMEMBERED {
            self.declared.clear();
        }
        for worker in workers {
            if !self.declared.contains(worker) {
                self.declare(*worker, publisher).await?;
            }
        }
        Ok(())
    }

    /// Declares queues whose commands came back.
    pub(super) async fn declare_again(
        &mut self,
        workers: &[i32],
        publisher: &mut Publisher,
    ) -> Result<(), PublishError> {
        let workers: HashSet<_> = workers.iter().copied().collect();
        for worker in workers {
            self.declare(worker, publisher).await?;
        }
        Ok(())
    }

    async fn declare(
        &mut self,
        worker: i32,
        publisher: &mut Publisher,
    ) -> Result<(), PublishError> {
        let queue = self.topology.command_queue(EntityType::Worker, worker);
        publisher.declare_queue(&queue).await?;
        self.declared.insert(worker);
        Ok(())
    }

    /// Removes the queues of workers that ended and will not come back for what is in them. One that
    /// is consumed stays; the broker removes it when its consumer leaves. Best effort: what is missed
    /// is an idle queue.
    pub(super) async fn remove_abandoned(
        &mut self,
        events: &[&Decoded],
        publisher: &mut Publisher,
    ) {
        for worker in events.iter().copied().filter_map(abandoned_by) {
            self.declared.remove(&worker);
            let queue = self.topology.command_queue(EntityType::Worker, worker);
            if let Err(error) = publisher.delete_queue_unless_used(&queue).await {
                tracing::debug!(worker_id = worker, %error, "queue of a closed worker was not removed");
            }
        }
    }
}

/// The worker that is gone. One that was superseded may still be starting, with the order to stop
/// waiting in its queue; it is told by that order alone.
fn abandoned_by(event: &Decoded) -> Option<i32> {
    let Event::Worker(WorkerEvent::WorkerClosed { by, .. }) = &event.event else { return None };
    match by {
        WorkerClosedBy::Shutdown | WorkerClosedBy::LostTooLong => Some(event.entity_id),
        WorkerClosedBy::SupersededBy(_) => None,
    }
}
