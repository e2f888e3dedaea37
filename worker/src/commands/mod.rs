//! What is asked of the agent, once each, acknowledged after the work.
//!
//! A command comes from two places: as a message in the queue of the worker, at once, and in the list of commands
//! without an outcome that the log keeps. The queue is v1's and goes with its last consumer, so that whatever was in
//! it when agent or broker went away is lost; the list has it still. [`Commands`] reads both, and hands out each
//! command once.
//!
//! - **Order.** The list is in the order of the log, and so is the queue. After each subscription, and whenever else
//!   the list is fetched, messages wait for it, but not for ever.
//! - **Once.** A command is known by its request's id, or else by its message's. What is known and done is
//!   acknowledged and that is all; what is known and in work is acknowledged when the work is done. The journal, one
//!   small file per command, carries this knowledge over restarts. A message without any id, from an old sender, is
//!   acted on each time.
//! - **Acknowledged after the work.** The broker closes a channel on which something stays unacknowledged for half an
//!   hour, which an install may take. It is harmless, as any lost connection is: what was in the queue is in the list,
//!   what is in work is known, and a message of it that comes again takes the place of the one whose acknowledgement
//!   would not arrive any more.
//! - **Not too many at once.** While 256 commands are in work, what asks for something to run waits; what asks for an end
//!   does not. The broker hands over 1,000 messages without acknowledgement, so that a stop behind many starts arrives;
//!   behind even more, the list has it.
//! - **No harm.** A message that cannot be understood becomes a dead letter with a reason, and its request is refused
//!   with the same.

mod asked;
mod command;
mod desk;
mod journal;
mod ledger;
mod listed;
mod message;
pub mod metrics;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use messaging::contract::EntityType;
use messaging::{Broker, Consumer, ConsumerConfig, Delivery, Topology};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use self::asked::Asked;
pub use self::command::Command;
use self::desk::Desk;
use self::journal::Journal;
use self::ledger::Ledger;
use self::listed::Listed;
use crate::api::Api;
use crate::reports::Reports;

/// How often the list is fetched though nothing calls for it.
const LIST_INTERVAL: Duration = Duration::from_secs(15);
/// How many messages the broker hands over without acknowledgement.
const PREFETCH: u16 = 1_000;

/// The commands of one worker.
pub struct Commands {
    desk: Arc<Desk>,
    listed: Listed,
    queue: mpsc::Receiver<Delivery>,
    consuming: AbortOnDropHandle<()>,
    subscriptions: watch::Receiver<u64>,
    /// Messages that wait for the list.
    arrived: VecDeque<Delivery>,
    shutdown: CancellationToken,
}

impl Commands {
    /// Reads what earlier agents wrote into `directory`, reports what they left half done and cannot be repeated, and
    /// subscribes. `broker` becomes the link of the command queue. To be called in a runtime.
    ///
    /// # Errors
    /// When the directory can be neither made nor read.
    pub fn open(
        directory: PathBuf,
        api: Api,
        reports: Reports,
        broker: Broker,
        topology: Topology,
        worker_id: i32,
        shutdown: CancellationToken,
    ) -> io::Result<Self> {
        let (journal, records) = Journal::open(directory)?;
        let ledger = Ledger::new(worker_id, journal, records, &reports.outcomes());
        let config = ConsumerConfig {
            queue: topology.command_queue(EntityType::Worker, worker_id),
            prefetch: PREFETCH,
            exclusive: false,
        };
        let consumer = Consumer::new(broker, topology, config, shutdown.clone());
        let subscriptions = consumer.subscriptions();
        let (sender, queue) = mpsc::channel(1);
        Ok(Self {
            desk: Arc::new(Desk::new(reports, worker_id, ledger)),
            listed: Listed::new(api, worker_id, LIST_INTERVAL),
            queue,
            consuming: AbortOnDropHandle::new(tokio::spawn(consume(consumer, sender))),
            subscriptions,
            arrived: VecDeque::new(),
            shutdown,
        })
    }

    /// Fetches the list in this interval instead of every 15 s.
    #[must_use]
    pub fn listing_every(mut self, interval: Duration) -> Self {
        self.listed.set_interval(interval);
        self
    }

    /// The next command, however long it takes; `None` once the token is cancelled. Then nothing more arrives, and
    /// those handed out before can still be ended.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Command> {
        loop {
            if self.shutdown.is_cancelled() {
                self.arrived.clear();
                self.queue.close();
                // Stopped by the same token, it unsubscribes and ends.
                if !self.consuming.is_finished() {
                    drop((&mut self.consuming).await);
                }
                return None;
            }
            if self.subscriptions.has_changed().unwrap_or(false) {
                self.subscriptions.mark_unchanged();
                self.listed.ask_now();
            }
            let held = self.listed.held_until();
            if held.is_none() {
                for delivery in self.arrived.drain(..) {
                    self.desk.receive(delivery);
                }
            }
            if let Some(command) = self.desk.take() {
                return Some(command);
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => {}
                () = self.desk.ended.notified() => {}
                commands = self.listed.next() => {
                    for command in &commands {
                        self.desk.receive_listed(command);
                    }
                    self.desk.write_again();
                }
                () = sleep_until(held.unwrap_or_else(Instant::now)), if held.is_some() => {}
                Some(delivery) = self.queue.recv(), if held.is_none() => {
                    self.arrived.push_back(delivery);
                }
            }
        }
    }
}

/// Reads the queue beside everything else: whoever reads it by turns would give up a connection that is being made
/// whenever another turn comes.
async fn consume(mut consumer: Consumer, sender: mpsc::Sender<Delivery>) {
    while let Some(delivery) = consumer.next().await {
        // The receiver closes with the shutdown, and then the consumer has to unsubscribe.
        drop(sender.send(delivery).await);
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("listed", &self.listed).finish_non_exhaustive()
    }
}
