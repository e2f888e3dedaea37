//! Consuming one queue, over as many connections as it takes.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures::StreamExt;
use lapin::{
    options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, BrokerError, Delivery, Publisher, QueueSpec, Topology, backoff::Retry,
    delivery::Origin, session::Session, topology::short,
};

/// A subscription that lasted this long was a success: the back-off starts over after it.
const STABLE: Duration = Duration::from_secs(5);
/// How often a stand-by asks whether the queue has become free.
const STAND_BY: Duration = Duration::from_millis(500);

/// What to consume and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// The queue, declared with each connection.
    pub queue: QueueSpec,
    /// How many unacknowledged messages the broker hands over; at least 1.
    pub prefetch: u16,
    /// Whether this must be the queue's only consumer. Of several replicas one then consumes, in
    /// order, and the others stand by, connected, to take over.
    pub exclusive: bool,
}

/// Consumes one queue until it is told to stop. A lost connection is made again, and whatever the
/// broker had not heard an acknowledgement for arrives again.
#[derive(Debug)]
pub struct Consumer {
    broker: Broker,
    topology: Topology,
    config: ConsumerConfig,
    stop: CancellationToken,
    graveyard: Arc<Mutex<Publisher>>,
    retry: Retry,
    /// A connection without a subscription: that of a stand-by.
    session: Option<Arc<Session>>,
    subscription: Option<Subscription>,
    subscriptions: watch::Sender<u64>,
}

#[derive(Debug)]
struct Subscription {
    deliveries: lapin::Consumer,
    origin: Arc<Origin>,
    since: Instant,
}

impl Consumer {
    /// A consumer on a link of its own; nothing is connected before [`next`](Self::next). Dead
    /// letters travel on a second link, named after the first.
    #[must_use]
    pub fn new(
        broker: Broker,
        topology: Topology,
        config: ConsumerConfig,
        stop: CancellationToken,
    ) -> Self {
        let graveyard =
            Broker::new(format!("{}.dead-letters", broker.name()), broker.config().clone());
        Self {
            retry: Retry::new(broker.config().backoff),
            graveyard: Arc::new(Mutex::new(Publisher::new(graveyard, topology.clone()))),
            broker,
            topology,
            config,
            stop,
            session: None,
            subscription: None,
            subscriptions: watch::Sender::default(),
        }
    }

    /// The link, for readiness.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// How many subscriptions were made so far. A queue that is deleted when its consumer leaves has
    /// lost what was in it by each new one: whoever cares asks elsewhere then.
    #[must_use]
    pub fn subscriptions(&self) -> watch::Receiver<u64> {
        self.subscriptions.subscribe()
    }

    /// The next message, however long it takes and however often the broker goes away meanwhile;
    /// `None` once the token is cancelled. Then nothing more arrives, messages handed out before
    /// can still be acknowledged, and those never handed out are back in the queue.
    ///
    /// Dropping the future loses nothing. To take what is already here without waiting, use
    /// `next().now_or_never()`.
    pub async fn next(&mut self) -> Option<Delivery> {
        let stop = self.stop.clone();
        loop {
            if stop.is_cancelled() {
                self.unsubscribe().await;
                return None;
            }
            let Some(subscription) = &mut self.subscription else {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = self.subscribe() => {}
                }
                continue;
            };
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => continue,
                delivery = subscription.deliveries.next() => delivery,
            };
            match delivery {
                // Left over from a connection that is gone: the broker will deliver it again.
                Some(Ok(delivery)) if !delivery.acker.usable() => {}
                Some(Ok(delivery)) => {
                    let now = SystemTime::now().into();
                    return Some(Delivery::new(delivery, now, Arc::clone(&subscription.origin)));
                }
                Some(Err(error)) => self.lost(&error.to_string()),
                None => self.lost("the broker cancelled it"),
            }
        }
    }

    fn lost(&mut self, reason: &str) {
        let Some(subscription) = self.subscription.take() else {
            return;
        };
        tracing::warn!(
            link = self.broker.name(),
            queue = self.config.queue.name,
            reason,
            "subscription lost"
        );
        if subscription.since.elapsed() >= STABLE {
            self.retry.succeeded();
        } else {
            self.retry.failed(Instant::now());
        }
    }

    /// One attempt, made when the back-off allows it.
    async fn subscribe(&mut self) {
        if let Some(wait) = self.retry.wait(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        match self.attempt().await {
            Ok(subscription) => {
                tracing::info!(
                    link = self.broker.name(),
                    queue = self.config.queue.name,
                    "subscribed"
                );
                self.session = None;
                self.subscription = Some(subscription);
                self.subscriptions.send_modify(|made| *made += 1);
            }
            Err(error) if self.config.exclusive && error.is_held_by_another() => {
                tracing::debug!(
                    link = self.broker.name(),
                    queue = self.config.queue.name,
                    "another consumer holds the queue, standing by"
                );
                self.retry.put_off(Instant::now(), STAND_BY);
            }
            Err(error) => {
                self.session = None;
                self.retry.failed(Instant::now());
                tracing::warn!(
                    link = self.broker.name(),
                    queue = self.config.queue.name,
                    error = &error as &dyn std::error::Error,
                    "cannot subscribe, will try again"
                );
            }
        }
    }

    async fn attempt(&mut self) -> Result<Subscription, BrokerError> {
        let session = match self.session.take().filter(|session| session.is_alive()) {
            Some(session) => session,
            None => Arc::new(self.broker.connect().await?),
        };
        let session = self.session.insert(session);
        let channel = session.channel().await?;
        self.topology.declare(session, &channel).await?;
        self.config.queue.declare(session, &channel).await?;
        let qos = channel.basic_qos(self.config.prefetch.max(1), BasicQosOptions::default());
        session.within("set the prefetch", qos).await?;
        let queue = &self.config.queue.name;
        let consume = channel.basic_consume(
            short(queue)?,
            ShortString::default(),
            BasicConsumeOptions {
                exclusive: self.config.exclusive,
                ..BasicConsumeOptions::default()
            },
            FieldTable::default(),
        );
        let deliveries = session.within(format!("consume queue {queue}"), consume).await?;
        let origin = Origin {
            link: self.broker.name().to_owned(),
            queue: queue.clone(),
            topology: self.topology.clone(),
            graveyard: Arc::clone(&self.graveyard),
            channel,
            session: Arc::clone(session),
        };
        Ok(Subscription { deliveries, origin: Arc::new(origin), since: Instant::now() })
    }

    /// Stops the broker sending, and gives back what it has sent beyond what was handed out, so
    /// that another consumer need not wait for this one's last message.
    async fn unsubscribe(&mut self) {
        self.session = None;
        let Some(mut subscription) = self.subscription.take() else {
            return;
        };
        let tag = subscription.deliveries.tag();
        let session = &subscription.origin.session;
        let cancel = subscription.origin.channel.basic_cancel(tag, BasicCancelOptions::default());
        if let Err(error) = session.within("cancel the subscription", cancel).await {
            tracing::debug!(link = self.broker.name(), %error, "broker is gone");
            return;
        }
        while let Some(Ok(delivery)) = subscription.deliveries.next().await {
            let requeue =
                delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() });
            if session.within("requeue", requeue).await.is_err() {
                return;
            }
        }
    }
}
