//! Looking at what was given up on, trying it again, or deciding not to.

mod letter;

use std::collections::BTreeMap;

use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};

use crate::{
    Broker, BrokerError, Outgoing, PublishError, Published, Publisher, QueueSpec, Topology,
    session::Session, topology::short,
};

pub use letter::{DeadLetter, Decision};

/// The dead letter queue, for an operator.
#[derive(Debug)]
pub struct DeadLetters {
    broker: Broker,
    topology: Topology,
}

/// What became of the dead letters that were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handled {
    /// Messages that are where they were to go: back in the queue they came from, or among the skipped.
    pub moved: usize,
    /// Messages that stay dead letters: not chosen, or their queue does not exist.
    pub kept: usize,
}

impl DeadLetters {
    /// The dead letters of a topology.
    #[must_use]
    pub fn new(broker: Broker, topology: Topology) -> Self {
        Self { broker, topology }
    }

    /// The oldest `limit` dead letters. They stay where they are.
    ///
    /// # Errors
    /// The broker is away.
    pub async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        self.look_into(self.topology.dead_letter_queue(), limit).await
    }

    /// The oldest `limit` messages that an operator decided not to try again. They stay where they are.
    ///
    /// # Errors
    /// The broker is away.
    pub async fn list_skipped(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        self.look_into(self.topology.skipped_letter_queue(), limit).await
    }

    /// Puts dead letters back into the queue they came from, and only there: subscribers that
    /// had received them need not receive them again. `choose` picks; each is moved by a
    /// confirmed publish before it leaves the dead letters, so none is lost, and one may arrive
    /// twice if the connection breaks in between.
    ///
    /// The decision goes with the message, so that whoever handles it can tell, and so that it is
    /// known when it fails again.
    ///
    /// # Errors
    /// The broker is away, or went away: the rest stays.
    pub async fn redrive(
        &self,
        decision: &Decision,
        choose: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<Handled, PublishError> {
        let again = |letter: &DeadLetter, headers: BTreeMap<_, _>| letter.again(headers, decision);
        self.handle("redrive", None, choose, again).await
    }

    /// Puts dead letters aside, with who decided so and why, where they are kept and not tried again.
    /// As safe as [`redrive`](Self::redrive).
    ///
    /// # Errors
    /// The broker is away, or went away: the rest stays.
    pub async fn skip(
        &self,
        decision: &Decision,
        choose: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<Handled, PublishError> {
        let queue = self.topology.skipped_letter_queue();
        let aside = |letter: &DeadLetter, headers: BTreeMap<_, _>| {
            Some(letter.aside(&queue.name, headers, decision))
        };
        self.handle("skip", Some(&queue), choose, aside).await
    }

    async fn look_into(
        &self,
        queue: QueueSpec,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, BrokerError> {
        let session = self.broker.connect().await?;
        let queue = Queue::open(&session, &self.topology, queue).await?;
        let mut letters = Vec::new();
        while letters.len() < limit {
            let Some(message) = queue.take().await? else {
                break;
            };
            letters.push(letter::read(&message).0);
        }
        // Nothing was acknowledged: closing gives all of them back, in their order.
        session.close().await;
        Ok(letters)
    }

    /// Publishes, for each dead letter that is chosen, the message made of it, and removes it then.
    async fn handle(
        &self,
        verb: &str,
        destination: Option<&QueueSpec>,
        mut choose: impl FnMut(&DeadLetter) -> bool,
        message_of: impl Fn(&DeadLetter, BTreeMap<String, String>) -> Option<Outgoing>,
    ) -> Result<Handled, PublishError> {
        let session = self.broker.connect().await.map_err(PublishError::Away)?;
        let link = format!("{}.{verb}", self.broker.name());
        let mut publisher =
            Publisher::new(Broker::new(link, self.broker.config().clone()), self.topology.clone());
        if let Some(destination) = destination {
            publisher.declare_queue(destination).await?;
        }
        let queue = Queue::open(&session, &self.topology, self.topology.dead_letter_queue());
        let queue = queue.await.map_err(PublishError::Away)?;
        let mut handled = Handled::default();
        // Only as many as there are now: what fails again at once would be moved for ever.
        let present = queue.count().await.map_err(PublishError::Away)?;
        for _ in 0..present {
            // What is kept stays unacknowledged until the end, so that it is not taken again.
            let Some(message) = queue.take().await.map_err(PublishError::Unknown)? else {
                break;
            };
            let (letter, headers) = letter::read(&message);
            let outgoing = if choose(&letter) { message_of(&letter, headers) } else { None };
            if is_routed(&mut publisher, outgoing).await? {
                queue.remove(&message).await.map_err(PublishError::Unknown)?;
                handled.moved += 1;
            } else {
                handled.kept += 1;
            }
        }
        publisher.close().await;
        session.close().await;
        Ok(handled)
    }
}

/// Whether there is a message and a queue has it now.
async fn is_routed(
    publisher: &mut Publisher,
    outgoing: Option<Outgoing>,
) -> Result<bool, PublishError> {
    let Some(outgoing) = outgoing else { return Ok(false) };
    match publisher.publish(&[outgoing]).await {
        Ok(published) => Ok(published == [Published::Routed]),
        // What never was the name of a queue of ours; the others are still worth trying.
        Err(PublishError::Invalid { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// One of our queues on an open channel.
struct Queue<'a> {
    session: &'a Session,
    channel: Channel,
    name: String,
}

impl<'a> Queue<'a> {
    async fn open(
        session: &'a Session,
        topology: &Topology,
        queue: QueueSpec,
    ) -> Result<Self, BrokerError> {
        let channel = session.channel().await?;
        topology.declare(session, &channel).await?;
        queue.declare(session, &channel).await?;
        Ok(Self { session, channel, name: queue.name })
    }

    async fn count(&self) -> Result<u32, BrokerError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declare =
            self.channel.queue_declare(short(&self.name)?, passive, FieldTable::default());
        let queue = self.session.within("count the dead letters", declare).await?;
        Ok(queue.message_count())
    }

    async fn take(&self) -> Result<Option<BasicGetMessage>, BrokerError> {
        let get = self.channel.basic_get(short(&self.name)?, BasicGetOptions::default());
        self.session.within("hand over a dead letter", get).await
    }

    async fn remove(&self, message: &BasicGetMessage) -> Result<(), BrokerError> {
        let ack = message.ack(BasicAckOptions::default());
        self.session.within("remove a dead letter", ack).await?;
        Ok(())
    }
}
