//! Looking at what was given up on, and trying it again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};

use crate::{
    Broker, BrokerError, Outgoing, PublishError, Published, Publisher, Topology,
    contract::time::parse_instant, headers, names, session::Session, topology::short,
};

/// The dead letter queue, for an operator.
#[derive(Debug)]
pub struct DeadLetters {
    broker: Broker,
    topology: Topology,
}

/// A message that was given up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it; made up where the message had none.
    pub message_id: String,
    /// Why it was given up on.
    pub reason: String,
    /// The queue it was consumed from.
    pub queue: String,
    /// The exchange it first came through.
    pub exchange: String,
    /// The routing key it first had.
    pub routing_key: String,
    /// When it was first received, if that was noted.
    pub first_seen: Option<DateTime<Utc>>,
    /// How often it was tried in all.
    pub attempts: u32,
    /// The AMQP `type`; empty if it had none.
    pub kind: String,
    /// The body, unread.
    pub body: Vec<u8>,
}

/// What a redrive did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// Messages that are back in the queue they came from.
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
        let session = self.broker.connect().await?;
        let queue = Queue::open(&session, &self.topology).await?;
        let mut letters = Vec::new();
        while letters.len() < limit {
            let Some(message) = queue.take().await? else {
                break;
            };
            letters.push(letter(&message).0);
        }
        // Nothing was acknowledged: closing gives all of them back, in their order.
        session.close().await;
        Ok(letters)
    }

    /// Puts dead letters back into the queue they came from, and only there: subscribers that
    /// had received them need not receive them again. `choose` picks; each is moved by a
    /// confirmed publish before it leaves the dead letters, so none is lost, and one may arrive
    /// twice if the connection breaks in between.
    ///
    /// # Errors
    /// The broker is away, or went away: the rest stays.
    pub async fn redrive(
        &self,
        mut choose: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<Redriven, PublishError> {
        let session = self.broker.connect().await.map_err(PublishError::Away)?;
        let link = format!("{}.redrive", self.broker.name());
        let mut publisher =
            Publisher::new(Broker::new(link, self.broker.config().clone()), self.topology.clone());
        let queue = Queue::open(&session, &self.topology).await.map_err(PublishError::Away)?;
        let mut redriven = Redriven::default();
        // Only as many as there are now: what fails again at once would be moved for ever.
        let present = queue.count().await.map_err(PublishError::Away)?;
        for _ in 0..present {
            // What is kept stays unacknowledged until the end, so that it is not taken again.
            let Some(message) = queue.take().await.map_err(PublishError::Unknown)? else {
                break;
            };
            let (letter, outgoing) = letter(&message);
            if letter.queue.is_empty() || !choose(&letter) {
                redriven.kept += 1;
                continue;
            }
            let routed = match publisher.publish(&[outgoing]).await {
                Ok(published) => published == [Published::Routed],
                // What never was the name of a queue of ours; the others are still worth trying.
                Err(PublishError::Invalid { .. }) => false,
                Err(error) => return Err(error),
            };
            if routed {
                queue.remove(&message).await.map_err(PublishError::Unknown)?;
                redriven.moved += 1;
            } else {
                redriven.kept += 1;
            }
        }
        publisher.close().await;
        session.close().await;
        Ok(redriven)
    }
}

/// The dead letter queue on an open channel.
struct Queue<'a> {
    session: &'a Session,
    channel: Channel,
    name: String,
}

impl<'a> Queue<'a> {
    async fn open(session: &'a Session, topology: &Topology) -> Result<Self, BrokerError> {
        let channel = session.channel().await?;
        topology.declare(session, &channel).await?;
        Ok(Self { session, channel, name: topology.dead_letter_queue().name })
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

/// A dead letter as an operator sees it, and as the message that tries it again.
fn letter(message: &BasicGetMessage) -> (DeadLetter, Outgoing) {
    let properties = &message.properties;
    let headers = properties.headers().as_ref().map(headers::from_table).unwrap_or_default();
    let text = |header: &str| headers.get(header).cloned().unwrap_or_default();
    let first_seen = parse_instant(&text(names::FIRST_SEEN_HEADER));
    let letter = DeadLetter {
        message_id: properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: text(names::REASON_HEADER),
        queue: text(names::QUEUE_HEADER),
        exchange: text(names::EXCHANGE_HEADER),
        routing_key: text(names::ROUTING_KEY_HEADER),
        first_seen,
        attempts: text(names::ATTEMPTS_HEADER).parse().unwrap_or_default(),
        kind: properties.kind().as_ref().map(ToString::to_string).unwrap_or_default(),
        body: message.data.clone(),
    };
    let outgoing = Outgoing {
        exchange: String::new(),
        routing_key: letter.queue.clone(),
        body: letter.body.clone(),
        message_id: letter.message_id.clone(),
        kind: letter.kind.clone(),
        timestamp: first_seen.unwrap_or_default(),
        headers: without_reason(headers),
        persistent: true,
        mandatory: true,
    };
    (letter, outgoing)
}

/// A new failure brings its own reason.
fn without_reason(mut headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    headers.remove(names::REASON_HEADER);
    headers
}
