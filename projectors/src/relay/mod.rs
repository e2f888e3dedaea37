//! The relay: every event to RabbitMQ, in log order, at least once.
//!
//! The log is the outbox. A batch is published, every message confirmed, and only then the checkpoint
//! moves; whatever fails, the batch is sent again from the checkpoint. `message_id` is the event's
//! id, so receivers can drop what they know.

mod messages;
mod publish;
mod queues;
mod runner;

use event_store::Log;
use messaging::{Broker, Publisher, Topology};
use tokio_util::sync::CancellationToken;

use self::publish::Outbox;
use self::runner::Runner;
use crate::lease::{Keeper, Shared};
use crate::status::PieceStatus;
use crate::subscription::follow;

/// The relay's checkpoint: everything up to it is with the broker.
pub(crate) const CHECKPOINT: &str = "relay";

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
        let pool = self.log.pool().clone();
        let shared = Shared { name: CHECKPOINT.to_owned(), label: CHECKPOINT, version: 0 };
        let keeper = Keeper::start(pool.clone(), CHECKPOINT, vec![shared]);
        let outbox = Outbox::new(self.publisher, self.topology);
        let mut runner = Runner::new(pool, keeper, outbox);
        follow(CHECKPOINT, &mut runner, &self.log, &self.status, &shutdown).await;
        runner.leave().await;
    }
}
