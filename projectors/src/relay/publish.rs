//! Events to the broker, confirmed, with the queues that commands need.

use messaging::{Outgoing, Published, Publisher, Topology};

use super::messages::{Message, messages};
use super::queues::CommandQueues;
use crate::decoded::Decoded;
use crate::subscription::SubscriptionError;

pub(super) struct Outbox {
    publisher: Publisher,
    topology: Topology,
    queues: CommandQueues,
}

impl Outbox {
    pub(super) fn new(publisher: Publisher, topology: Topology) -> Self {
        let queues = CommandQueues::new(topology.clone());
        Self { publisher, topology, queues }
    }

    /// Connects, unless it is connected.
    pub(super) async fn connect(&mut self) -> Result<(), SubscriptionError> {
        Ok(self.publisher.connect().await?)
    }

    pub(super) async fn close(self) {
        self.publisher.close().await;
    }

    /// Publishes all there is to tell of the events, and waits until the broker has confirmed it.
    pub(super) async fn publish(&mut self, events: &[&Decoded]) -> Result<(), SubscriptionError> {
        let mut batch = Vec::with_capacity(events.len() * 2);
        for event in events {
            batch.extend(messages(&self.topology, event)?);
        }
        self.publish_all(batch).await
    }

    /// Removes the queues of workers that are gone for good.
    pub(super) async fn clean_up(&mut self, events: &[&Decoded]) {
        self.queues.remove_abandoned(events, &mut self.publisher).await;
    }

    async fn publish_all(&mut self, batch: Vec<Message>) -> Result<(), SubscriptionError> {
        let workers: Vec<_> = batch.iter().map(|message| message.command_to).collect();
        self.queues.declare_new(workers.iter().flatten(), &mut self.publisher).await?;
        let batch: Vec<_> = batch.into_iter().map(|message| message.outgoing).collect();
        let outcomes = self.publisher.publish(&batch).await?;
        let returned = |outcome: &Published| matches!(outcome, Published::Unroutable { .. });
        // Only commands are mandatory, so only they come back.
        let lost: Vec<_> = outcomes
            .iter()
            .zip(batch.into_iter().zip(workers))
            .filter(|(outcome, _)| returned(outcome))
            .filter_map(|(_, (outgoing, worker))| Some((outgoing, worker?)))
            .collect();
        if lost.is_empty() { Ok(()) } else { self.publish_again(lost).await }
    }

    /// A queue that was declared before is gone: its consumer left, or the broker lost it.
    async fn publish_again(&mut self, lost: Vec<(Outgoing, i32)>) -> Result<(), SubscriptionError> {
        let workers: Vec<_> = lost.iter().map(|(_, worker)| *worker).collect();
        self.queues.declare_again(&workers, &mut self.publisher).await?;
        let batch: Vec<_> = lost.into_iter().map(|(outgoing, _)| outgoing).collect();
        for (outcome, worker_id) in self.publisher.publish(&batch).await?.into_iter().zip(workers) {
            if let Published::Unroutable { reply } = outcome {
                return Err(SubscriptionError::Unroutable { worker_id, reply });
            }
        }
        Ok(())
    }
}
