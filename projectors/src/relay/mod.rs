//! The relay: every event to RabbitMQ, in log order, at least once.
//!
//! The log is the outbox. A batch is published, every message confirmed, and only then the checkpoint
//! moves; whatever fails, the batch is sent again from the checkpoint. `message_id` is the event's
//! id, so receivers can drop what they know.

mod messages;
mod queues;

use ::metrics::gauge;
use event_store::Log;
use messaging::{Broker, Outgoing, Published, Publisher, Topology};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use self::messages::{Message, messages};
use self::queues::CommandQueues;
use crate::decoded::{Decoded, decode_all};
use crate::metrics::RELAY_CHECKPOINT;
use crate::status::PieceStatus;
use crate::subscription::{Step, Subscription, SubscriptionError, follow};

/// The relay's checkpoint: everything up to it is with the broker.
pub(crate) const CHECKPOINT: &str = "relay";
/// The most events in one batch. An event is up to two messages, and the publisher has a thousand in flight.
const BATCH: i64 = 500;

/// Relays events to RabbitMQ. Several replicas may run: one relays, the others stand by.
pub struct Relay {
    log: Log,
    publisher: Publisher,
    topology: Topology,
    status: PieceStatus,
}

impl Relay {
    /// A relay on a link of its own; nothing is connected before [`run`](Self::run).
    #[must_use]
    pub fn new(log: Log, broker: Broker, topology: Topology) -> Self {
        let publisher = Publisher::new(broker, topology.clone());
        Self { log, publisher, topology, status: PieceStatus::default() }
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> PieceStatus {
        self.status.clone()
    }

    /// Relays until shutdown; a batch begun is finished first, if the broker takes it.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut runner = Runner {
            pool: self.log.pool().clone(),
            publisher: self.publisher,
            queues: CommandQueues::new(self.topology.clone()),
            topology: self.topology,
        };
        follow(CHECKPOINT, &mut runner, &self.log, &self.status, &shutdown).await;
        runner.publisher.close().await;
    }
}

struct Runner {
    pool: PgPool,
    publisher: Publisher,
    topology: Topology,
    queues: CommandQueues,
}

impl Subscription for Runner {
    async fn step(&mut self) -> Result<Step, SubscriptionError> {
        // First, so that a replica cut off from the broker leaves the checkpoint to one that is not.
        self.publisher.connect().await?;
        let mut transaction = self.pool.begin().await?;
        let locked = event_store::lock(&mut transaction, &[CHECKPOINT]).await?;
        let Some(done) = locked.and_then(|positions| positions.first().copied()) else {
            transaction.rollback().await?;
            return Ok(Step::StandBy);
        };
        let recorded = event_store::read_after(&mut transaction, done, BATCH).await?;
        let is_full = i64::try_from(recorded.len()).is_ok_and(|read| read == BATCH);
        let (events, undecodable) = decode_all(recorded);
        let Some(last) = events.last().map(Decoded::position) else {
            transaction.rollback().await?;
            return undecodable.map_or(Ok(Step::Idle(done)), |undecodable| Err(undecodable.into()));
        };
        let mut batch = Vec::with_capacity(events.len() * 2);
        for event in &events {
            batch.extend(messages(&self.topology, event)?);
        }
        self.publish(batch).await?;
        event_store::advance(&mut transaction, &[CHECKPOINT], last).await?;
        transaction.commit().await?;
        gauge!(RELAY_CHECKPOINT).set(last.0 as f64);
        self.queues.remove_abandoned(&events, &mut self.publisher).await;
        let has_more = is_full || undecodable.is_some();
        Ok(if has_more { Step::WorkedWithMore(last) } else { Step::Worked(last) })
    }
}

impl Runner {
    async fn publish(&mut self, batch: Vec<Message>) -> Result<(), SubscriptionError> {
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
