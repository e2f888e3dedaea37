//! A received message and what may become of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use lapin::{
    Acker, Channel,
    options::{BasicAckOptions, BasicNackOptions},
};
use tokio::{sync::Mutex, time::timeout};
use uuid::Uuid;

use crate::{
    Outgoing, PublishError, Published, Publisher, Topology,
    contract::time::{format_instant, parse_instant},
    headers, metrics, names,
    session::Session,
};

/// How long handing an acknowledgement to the socket may take.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a message is held before it goes back into its queue because the dead letter exchange
/// did not take it: without it, the message would come back at once, and again.
const REQUEUE_PAUSE: Duration = Duration::from_secs(1);

/// A message taken from a queue. It must end in [`ack`](Self::ack), [`requeue`](Self::requeue) or
/// [`dead_letter`](Self::dead_letter); dropped, it comes back when the connection ends.
///
/// Each of the three is harmless when the connection it came through is gone: the broker has taken
/// the message back already and delivers it again.
#[derive(Debug)]
pub struct Delivery {
    /// The body, unread.
    pub body: Vec<u8>,
    /// The exchange it was published to; for a redriven message, originally.
    pub exchange: String,
    /// Its routing key; for a redriven message, the original one.
    pub routing_key: String,
    /// The publisher's message id. v1 clients send none.
    pub message_id: Option<String>,
    /// The AMQP `type`: what the body is. v1 clients send none.
    pub kind: Option<String>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Headers, those of a type other than text as text.
    pub headers: BTreeMap<String, String>,
    /// When we first saw it: now, unless it was a dead letter once.
    pub first_seen: DateTime<Utc>,
    /// How often it was tried before it became a dead letter; 0 for a new one.
    pub earlier_attempts: u32,
    acker: Acker,
    origin: Arc<Origin>,
}

/// What the deliveries of one subscription have in common.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) link: String,
    pub(crate) queue: String,
    pub(crate) topology: Topology,
    /// Shared by all, and a connection of its own: a broker that blocks publishers must not keep
    /// acknowledgements from it.
    pub(crate) graveyard: Arc<Mutex<Publisher>>,
    /// Keeps the channel open for the acknowledgements still to come.
    pub(crate) channel: Channel,
    /// Keeps the channel's connection open. After the channel: it is to be closed first.
    pub(crate) session: Arc<Session>,
}

/// Why a message could not be put among the dead letters. It is back in its queue.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The broker did not confirm it.
    #[error("dead letter was not published")]
    Publish(#[from] PublishError),
    /// The dead letter queue is gone; it is declared again with the next connection.
    #[error("dead letter was not routed: {0}")]
    Unroutable(String),
}

impl Delivery {
    pub(crate) fn new(
        delivery: lapin::message::Delivery,
        received_at: DateTime<Utc>,
        origin: Arc<Origin>,
    ) -> Self {
        let properties = &delivery.properties;
        let headers = properties.headers().as_ref().map(headers::from_table).unwrap_or_default();
        let original = |header: &str, now: &str| {
            headers.get(header).map_or_else(|| now.to_owned(), String::clone)
        };
        let first_seen = headers.get(names::FIRST_SEEN_HEADER);
        let attempts = headers.get(names::ATTEMPTS_HEADER);
        Self {
            exchange: original(names::EXCHANGE_HEADER, delivery.exchange.as_str()),
            routing_key: original(names::ROUTING_KEY_HEADER, delivery.routing_key.as_str()),
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            kind: properties.kind().as_ref().map(ToString::to_string),
            redelivered: delivery.redelivered,
            first_seen: first_seen.and_then(|text| parse_instant(text)).unwrap_or(received_at),
            earlier_attempts: attempts.and_then(|text| text.parse().ok()).unwrap_or_default(),
            headers,
            body: delivery.data,
            acker: delivery.acker,
            origin,
        }
    }

    /// The work is done. `false` when the broker could not be told, and delivers it again.
    pub async fn ack(self) -> bool {
        self.settle("ack", self.acker.ack(BasicAckOptions::default())).await
    }

    /// Puts it back to the head of its queue, from where it is delivered again at once, possibly
    /// to another consumer. `false` when the broker could not be told, and delivers it again.
    pub async fn requeue(self) -> bool {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.settle("requeue", self.acker.nack(options)).await
    }

    /// Gives up on it after `attempts` tries, this time: publishes it with its history to the dead
    /// letters and, only when that is confirmed, acknowledges it.
    ///
    /// # Errors
    /// The dead letter could not be stored; the message has been requeued, after a pause.
    pub async fn dead_letter(
        self,
        reason: impl Into<String>,
        attempts: u32,
    ) -> Result<(), DeadLetterError> {
        let reason = reason.into();
        let letter = self.letter(&reason, attempts);
        match bury(&self.origin.graveyard, letter).await {
            Ok(()) => {
                let link = self.origin.link.clone();
                ::metrics::counter!(metrics::DEAD_LETTERS, "link" => link).increment(1);
                tracing::warn!(
                    link = self.origin.link,
                    queue = self.origin.queue,
                    routing_key = self.routing_key,
                    reason,
                    "message became a dead letter"
                );
                self.ack().await;
                Ok(())
            }
            Err(error) => {
                tokio::time::sleep(REQUEUE_PAUSE).await;
                self.requeue().await;
                Err(error)
            }
        }
    }

    fn letter(&self, reason: &str, attempts: u32) -> Outgoing {
        let mut headers = self.headers.clone();
        for (name, value) in [
            (names::REASON_HEADER, reason.to_owned()),
            (names::EXCHANGE_HEADER, self.exchange.clone()),
            (names::ROUTING_KEY_HEADER, self.routing_key.clone()),
            (names::QUEUE_HEADER, self.origin.queue.clone()),
            (names::FIRST_SEEN_HEADER, format_instant(self.first_seen)),
            (names::ATTEMPTS_HEADER, self.earlier_attempts.saturating_add(attempts).to_string()),
        ] {
            headers.insert(name.to_owned(), value);
        }
        Outgoing {
            exchange: self.origin.topology.dead_letter_exchange(),
            routing_key: self.routing_key.clone(),
            body: self.body.clone(),
            // A message of a v1 client has none, and an operator needs something to name it by.
            message_id: self.message_id.clone().unwrap_or_else(|| Uuid::now_v7().to_string()),
            kind: self.kind.clone().unwrap_or_default(),
            timestamp: self.first_seen,
            headers,
            persistent: true,
            mandatory: true,
        }
    }

    async fn settle(
        &self,
        operation: &str,
        told: impl Future<Output = lapin::Result<bool>>,
    ) -> bool {
        match timeout(ACK_TIMEOUT, told).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => {
                tracing::debug!(link = self.origin.link, operation, %error, "broker is gone");
                false
            }
            Err(_) => {
                tracing::debug!(link = self.origin.link, operation, "broker takes no bytes");
                false
            }
        }
    }
}

async fn bury(graveyard: &Mutex<Publisher>, letter: Outgoing) -> Result<(), DeadLetterError> {
    let published = graveyard.lock().await.publish(&[letter]).await?;
    match published.into_iter().next() {
        Some(Published::Unroutable { reply }) => Err(DeadLetterError::Unroutable(reply)),
        Some(Published::Routed) | None => Ok(()),
    }
}
