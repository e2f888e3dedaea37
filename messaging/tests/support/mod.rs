//! A broker to test against, names of one's own on it, and a proxy in front of it to cut.

#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part")]

use std::{env, panic::AssertUnwindSafe, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ExchangeDeleteOptions,
        QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};
use messaging::{
    Broker, BrokerConfig, Consumer, ConsumerConfig, Delivery, Outgoing, QueueSpec, Topology,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub mod proxy;

/// Longer than anything here takes on a busy machine; only a failing test gets that far.
const DEADLINE: Duration = Duration::from_secs(30);

pub fn url() -> String {
    env::var("MANMAN_TEST_AMQP_URL").expect(
        "MANMAN_TEST_AMQP_URL must be the URL of a RabbitMQ to test against; `./dev test` starts \
         one and sets it",
    )
}

pub fn config() -> BrokerConfig {
    let mut config = BrokerConfig::from_url(&url()).unwrap();
    config.backoff.first = Duration::from_millis(50);
    config.backoff.max = Duration::from_millis(200);
    config
}

/// Awaits what must happen, and says what did not.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(DEADLINE, happens).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Runs a test with names of its own on the broker, and removes them whatever it comes to.
pub async fn with_topology<F: Future<Output = ()>>(test: impl FnOnce(Topology) -> F) {
    let topology = Topology::in_namespace(format!("test-{}.", Uuid::now_v7().simple()));
    let outcome = AssertUnwindSafe(test(topology.clone())).catch_unwind().await;
    let v1 = V1Client::connect().await;
    for exchange in [
        topology.internal_exchange(),
        topology.external_exchange(),
        topology.events_exchange(),
        topology.dead_letter_exchange(),
    ] {
        let options = ExchangeDeleteOptions::default();
        v1.channel.exchange_delete(exchange.into(), options).await.unwrap();
    }
    for queue in [
        topology.internal_status_queue(),
        topology.external_status_queue(),
        topology.dead_letter_queue(),
        topology.skipped_letter_queue(),
    ] {
        v1.delete(&queue.name).await;
    }
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

pub fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

/// A mandatory message with the body `"<id>"` to a topic of the internal exchange.
pub fn message(topology: &Topology, routing_key: &str, id: &str) -> Outgoing {
    Outgoing {
        exchange: topology.internal_exchange(),
        routing_key: routing_key.to_owned(),
        body: format!("{id:?}").into_bytes(),
        message_id: id.to_owned(),
        kind: "test".to_owned(),
        timestamp: now(),
        headers: [("x-test".to_owned(), id.to_owned())].into(),
        persistent: true,
        mandatory: true,
    }
}

pub fn consumer(
    config: BrokerConfig,
    topology: &Topology,
    queue: QueueSpec,
    prefetch: u16,
) -> (Consumer, CancellationToken) {
    let stop = CancellationToken::new();
    let settings = ConsumerConfig { queue, prefetch, exclusive: false };
    let broker = Broker::new("test.consumer", config);
    let consumer = Consumer::new(broker, topology.clone(), settings, stop.clone());
    (consumer, stop)
}

pub async fn next(consumer: &mut Consumer) -> Delivery {
    soon("a delivery", consumer.next()).await.expect("consumer was stopped")
}

pub fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.body.clone()).unwrap()
}

/// A client that knows nothing of us: a v1 worker or subscriber.
pub struct V1Client {
    pub channel: Channel,
    connection: Connection,
}

impl V1Client {
    pub async fn connect() -> Self {
        let connection = Connection::connect(&url(), ConnectionProperties::default())
            .await
            .expect("RabbitMQ at MANMAN_TEST_AMQP_URL does not answer");
        Self { channel: connection.create_channel().await.unwrap(), connection }
    }

    /// Declares a queue as v1 does, with its bindings; the exchanges are assumed to exist.
    pub async fn declare(&self, queue: &QueueSpec) -> lapin::Result<()> {
        let options = QueueDeclareOptions {
            durable: true,
            auto_delete: queue.auto_delete,
            ..QueueDeclareOptions::default()
        };
        self.channel
            .queue_declare(queue.name.clone().into(), options, FieldTable::default())
            .await?;
        for (exchange, key) in &queue.bindings {
            self.channel
                .queue_bind(
                    queue.name.clone().into(),
                    exchange.clone().into(),
                    key.clone().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await?;
        }
        Ok(())
    }

    /// Publishes as v1 does: transient, unconfirmed, with an encoding and nothing else.
    pub async fn publish(&self, exchange: &str, key: &str, body: &str) {
        self.channel
            .basic_publish(
                exchange.into(),
                key.into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                BasicProperties::default().with_content_encoding("utf-8".into()),
            )
            .await
            .unwrap();
    }

    pub async fn consume(&self, queue: &str) -> lapin::Consumer {
        self.channel
            .basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap()
    }

    pub async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// How many messages wait in a queue; an error if it does not exist.
    pub async fn waiting(&self, queue: &str) -> lapin::Result<u32> {
        // A passive declaration that fails closes its channel.
        let channel = self.connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(found.message_count())
    }
}

/// The next message of a v1 client, acknowledged.
pub async fn received(consumer: &mut lapin::Consumer) -> lapin::message::Delivery {
    let delivery = soon("a message for the v1 client", consumer.next()).await.unwrap().unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    delivery
}
