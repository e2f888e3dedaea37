//! Publishing in order, with the broker's word for every message.

use std::time::Instant;

use tokio::time::timeout;

use crate::{
    Broker, BrokerError, Outgoing, QueueSpec, Topology, backoff::Retry,
    confirm_channel::ConfirmChannel, metrics, outgoing::Encoded,
};

/// Messages in flight at once; a longer batch is sent in windows of this size.
const WINDOW: usize = 1_024;

/// Publishes batches in order on one channel with confirms. Connects when it is first used, and
/// again when the connection was lost; it never waits for a broker that is away.
#[derive(Debug)]
pub struct Publisher {
    broker: Broker,
    topology: Topology,
    retry: Retry,
    open: Option<ConfirmChannel>,
}

/// What became of a confirmed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// At least one queue has it, on disk if both it and the queue ask for that.
    Routed,
    /// The broker has taken it, but no queue wanted it. Only mandatory messages are told apart.
    Unroutable {
        /// The broker's reply, e.g. `312 NO_ROUTE`.
        reply: String,
    },
}

/// Why a batch is not confirmed. All but `Invalid` pass by themselves: try the batch again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no connection and none could be made. Nothing was sent.
    #[error("not connected")]
    Away(#[source] BrokerError),
    /// The last attempt to connect failed moments ago, the next one may be made later. Nothing was
    /// sent.
    #[error("not connected, next attempt in {0:?}")]
    Waiting(std::time::Duration),
    /// The broker is short of memory or disk and takes no messages. Nothing was sent.
    #[error("the broker does not take messages at the moment")]
    Blocked,
    /// Some of the batch may have arrived and some not: resend all of it from the checkpoint.
    #[error("outcome of the batch is unknown")]
    Unknown(#[source] BrokerError),
    /// The broker refused a message (a full queue). Others of the batch may have arrived: resend
    /// all of it from the checkpoint.
    #[error("the broker refused message {0}")]
    Refused(String),
    /// A queue was not declared or deleted. Nothing was sent.
    #[error("queue was not declared or deleted")]
    Queue(#[source] BrokerError),
    /// A message can never be sent as it is. Nothing was sent.
    #[error("message {message_id} cannot be sent")]
    Invalid {
        /// Which one of the batch.
        message_id: String,
        /// What is wrong with it.
        #[source]
        source: BrokerError,
    },
}

impl Publisher {
    /// A publisher on a link of its own. A link has one user: its state is that user's.
    #[must_use]
    pub fn new(broker: Broker, topology: Topology) -> Self {
        Self { retry: Retry::new(broker.config().backoff), broker, topology, open: None }
    }

    /// The link, for readiness.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Publishes a batch in order and waits for every confirm, one result per message.
    ///
    /// Dropping the future leaves the outcome unknown; the next batch uses a new connection.
    ///
    /// # Errors
    /// See [`PublishError`]. An error is about the whole batch.
    pub async fn publish(&mut self, batch: &[Outgoing]) -> Result<Vec<Published>, PublishError> {
        let encoded = batch
            .iter()
            .map(|message| {
                message.encode().map_err(|source| PublishError::Invalid {
                    message_id: message.message_id.clone(),
                    source,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if encoded.is_empty() {
            return Ok(Vec::new());
        }
        // Taken out, and put back only when every confirm is in: a confirm that arrives after its
        // batch was given up on must not be counted for another one.
        let open = self.take_open().await?;
        if open.is_blocked() {
            self.open = Some(open);
            return Err(PublishError::Blocked);
        }
        let mut published = Vec::with_capacity(batch.len());
        for window in encoded.chunks(WINDOW) {
            match self.confirm(&open, window).await {
                Ok(outcomes) => published.extend(outcomes),
                Err(error) => {
                    self.retry.failed(Instant::now());
                    return Err(error);
                }
            }
        }
        self.retry.succeeded();
        self.open = Some(open);
        Ok(published)
    }

    /// Connects if there is no connection and the back-off allows an attempt. A link that
    /// publishes seldom calls this to keep its readiness true.
    ///
    /// # Errors
    /// [`PublishError::Away`] or [`PublishError::Waiting`].
    pub async fn connect(&mut self) -> Result<(), PublishError> {
        self.open = Some(self.take_open().await?);
        Ok(())
    }

    /// Declares a queue, e.g. that of a worker which has yet to start consuming.
    ///
    /// # Errors
    /// [`PublishError::Away`], [`Waiting`](PublishError::Waiting) or
    /// [`Queue`](PublishError::Queue); declaring again is harmless.
    pub async fn declare_queue(&mut self, queue: &QueueSpec) -> Result<(), PublishError> {
        let open = self.take_open().await?;
        let declared = open.declare(queue).await;
        self.open = Some(open);
        declared.map_err(PublishError::Queue)
    }

    /// Deletes a queue and what is in it, unless somebody consumes it; `false` if so.
    ///
    /// # Errors
    /// As [`declare_queue`](Self::declare_queue); deleting again is harmless.
    pub async fn delete_queue_unless_used(
        &mut self,
        queue: &QueueSpec,
    ) -> Result<bool, PublishError> {
        let open = self.take_open().await?;
        let deleted = open.delete_unless_used(queue).await;
        self.open = Some(open);
        deleted.map_err(PublishError::Queue)
    }

    /// The connection, made if need be.
    async fn take_open(&mut self) -> Result<ConfirmChannel, PublishError> {
        if let Some(open) = self.open.take().filter(ConfirmChannel::is_alive) {
            return Ok(open);
        }
        if let Some(wait) = self.retry.wait(Instant::now()) {
            return Err(PublishError::Waiting(wait));
        }
        ConfirmChannel::open(&self.broker, &self.topology).await.map_err(|error| {
            self.retry.failed(Instant::now());
            PublishError::Away(error)
        })
    }

    /// Closes the connection politely.
    pub async fn close(mut self) {
        if let Some(open) = self.open.take() {
            open.close().await;
        }
    }

    async fn confirm(
        &self,
        open: &ConfirmChannel,
        window: &[Encoded<'_>],
    ) -> Result<Vec<Published>, PublishError> {
        let started = Instant::now();
        let limit = self.broker.config().confirm_timeout;
        let outcomes = timeout(limit, open.send(window)).await.map_err(|_| {
            PublishError::Unknown(BrokerError::Silent {
                address: self.broker.config().address(),
                after: limit,
            })
        })??;
        let link = self.broker.name().to_owned();
        ::metrics::histogram!(metrics::CONFIRM_SECONDS, "link" => link.clone())
            .record(started.elapsed());
        ::metrics::counter!(metrics::PUBLISHED, "link" => link.clone())
            .increment(window.len() as u64);
        let unroutable = outcomes.iter().filter(|outcome| **outcome != Published::Routed).count();
        ::metrics::counter!(metrics::UNROUTABLE, "link" => link).increment(unroutable as u64);
        Ok(outcomes)
    }
}
