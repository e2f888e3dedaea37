//! Report intake: v1 status reports from RabbitMQ, each turned into a command like any other.
//!
//! A report is acknowledged after its event is on the log. Reports of one entity are handled in order,
//! those of different entities side by side, so that their appends share a statement. A report that
//! can never be recorded becomes a dead letter with its reason; one that cannot be recorded *now*,
//! because our database is away, waits for as long as that takes.

mod lanes;
mod record;
mod report;

use std::sync::Arc;
use std::time::Duration;

use event_store::EventStore;
use messaging::{Broker, Consumer, ConsumerConfig, Topology};
use tokio_util::sync::CancellationToken;

use self::lanes::Lanes;
use self::record::Recorder;
use crate::status::PieceStatus;

/// How many reports are in work at once: enough to fill an append statement.
const PREFETCH: u16 = 256;
/// How often the link's state is looked at for readiness.
const LOOK: Duration = Duration::from_millis(500);

/// Takes status reports in. Several replicas may run: one consumes, in order, the others stand by.
pub struct Intake {
    store: EventStore,
    broker: Broker,
    topology: Topology,
    status: PieceStatus,
}

impl Intake {
    /// An intake on a link of its own; nothing is connected before [`run`](Self::run).
    #[must_use]
    pub fn new(store: EventStore, broker: Broker, topology: Topology) -> Self {
        Self { store, broker, topology, status: PieceStatus::default() }
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> PieceStatus {
        self.status.clone()
    }

    /// Takes reports in until shutdown; those in work are finished first, those still waiting go back
    /// to the broker.
    pub async fn run(self, shutdown: CancellationToken) {
        let config = ConsumerConfig {
            queue: self.topology.internal_status_queue(),
            prefetch: PREFETCH,
            exclusive: true,
        };
        let mut consumer =
            Consumer::new(self.broker.clone(), self.topology, config, shutdown.clone());
        let recorder = Arc::new(Recorder::new(self.store, self.status.clone(), shutdown));
        let mut lanes = Lanes::new(recorder);
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                delivery = consumer.next() => match delivery {
                    Some(delivery) => lanes.enter(delivery),
                    None => break,
                },
                () = lanes.one_finished() => {}
                _ = looks.tick() => tell(&self.broker, &lanes, &self.status),
            }
        }
        lanes.finish().await;
    }
}

fn tell(broker: &Broker, lanes: &Lanes, status: &PieceStatus) {
    if !broker.is_connected() {
        // The consumer logs why.
        status.fails("not connected to the broker".to_owned());
    } else if !lanes.is_stuck() {
        status.works();
    }
}
