//! Names of one's own on a broker, somebody who listens there, and a proxy in front of it to cut.

use std::env;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Connection, ConnectionProperties};
use messaging::contract::{EntityType, InternalStatusInfo, StatusType};
use messaging::{
    Broker, BrokerConfig, Consumer, ConsumerConfig, Delivery, Outgoing, Published, Publisher,
    QueueSpec, Topology,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{System, eventually, soon, with_system};

/// Names of one's own on the broker.
pub struct Namespace {
    pub topology: Topology,
    prefix: String,
}

pub fn config() -> BrokerConfig {
    let url = env::var("MANMAN_TEST_AMQP_URL").expect(
        "MANMAN_TEST_AMQP_URL must be the URL of a RabbitMQ to test against; `./dev test` starts \
         one and sets it",
    );
    let mut config = BrokerConfig::from_url(&url).unwrap();
    config.backoff.first = std::time::Duration::from_millis(50);
    config.backoff.max = std::time::Duration::from_millis(200);
    config
}

pub fn broker(name: &str) -> Broker {
    Broker::new(name, config())
}

/// Runs a test on a system and names of its own on the broker, and removes both whatever it comes to.
pub async fn with_broker<F: Future<Output = ()>>(test: impl FnOnce(System, Namespace) -> F) {
    let prefix = format!("test-{}.", Uuid::now_v7().simple());
    let topology = Topology::in_namespace(prefix.clone());
    let namespace = Namespace { topology: topology.clone(), prefix };
    let test = with_system(|system| test(system, namespace));
    let outcome = AssertUnwindSafe(test).catch_unwind().await;
    remove(&topology).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn remove(topology: &Topology) {
    let url = env::var("MANMAN_TEST_AMQP_URL").unwrap();
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for exchange in [
        topology.internal_exchange(),
        topology.external_exchange(),
        topology.events_exchange(),
        topology.dead_letter_exchange(),
    ] {
        let deleted = channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
        deleted.await.unwrap();
    }
    let commands = (1..=9).map(|worker| topology.command_queue(EntityType::Worker, worker));
    let queues = [topology.internal_status_queue(), topology.dead_letter_queue()];
    for queue in commands.chain(queues) {
        let deleted = channel.queue_delete(queue.name.into(), QueueDeleteOptions::default());
        deleted.await.unwrap();
    }
}

impl Namespace {
    /// A queue of one's own on an exchange.
    pub fn queue(&self, name: &str, exchange: String, key: &str) -> QueueSpec {
        QueueSpec {
            name: format!("{}{name}", self.prefix),
            auto_delete: true,
            bindings: vec![(exchange, key.to_owned())],
        }
    }

    /// Publishes a report as a worker does; `message_id` may be no UUID, as v1 sends none.
    pub async fn publish(&self, key: &str, body: &str, message_id: &str) {
        let mut publisher = Publisher::new(broker("test.publisher"), self.topology.clone());
        let exchange = self.topology.internal_exchange();
        let message = message(exchange, key.to_owned(), body.as_bytes(), message_id);
        let published = publisher.publish(&[message]).await.unwrap();
        assert_eq!(published, [Published::Routed]);
    }
}

fn message(exchange: String, routing_key: String, body: &[u8], message_id: &str) -> Outgoing {
    Outgoing {
        exchange,
        routing_key,
        body: body.to_vec(),
        message_id: message_id.to_owned(),
        kind: String::new(),
        timestamp: super::commands::now(),
        headers: std::collections::BTreeMap::new(),
        persistent: true,
        mandatory: true,
    }
}

/// Somebody who consumes a queue.
pub struct Listener {
    consumer: Consumer,
    queue: QueueSpec,
    topology: Topology,
    stop: CancellationToken,
}

impl Listener {
    /// Subscribes; returns when nothing can be missed any more.
    pub async fn on(namespace: &Namespace, queue: QueueSpec) -> Self {
        let mut publisher = Publisher::new(broker("test.declare"), namespace.topology.clone());
        publisher.declare_queue(&queue).await.unwrap();
        let (stop, topology) = (CancellationToken::new(), namespace.topology.clone());
        let settings = ConsumerConfig { queue: queue.clone(), prefetch: 100, exclusive: false };
        let link = broker("test.listener");
        let consumer = Consumer::new(link, topology.clone(), settings, stop.clone());
        Self { consumer, queue, topology, stop }
    }

    /// Stops listening, and waits until the broker has removed the queue with its last consumer.
    pub async fn leave(mut self) {
        self.stop.cancel();
        assert!(self.consumer.next().await.is_none());
        drop(self.consumer);
        let mut publisher = Publisher::new(broker("test.probe"), self.topology);
        let probe = message(String::new(), self.queue.name, b"probe", "");
        eventually("the queue is gone", async || {
            let published = publisher.publish(std::slice::from_ref(&probe)).await.unwrap();
            published != [Published::Routed]
        })
        .await;
    }

    pub async fn next(&mut self) -> Delivery {
        soon("a delivery", self.consumer.next()).await.unwrap()
    }

    /// The next message's body, acknowledged.
    pub async fn next_json(&mut self) -> serde_json::Value {
        let delivery = self.next().await;
        let body = serde_json::from_slice(&delivery.body).unwrap();
        delivery.ack().await;
        body
    }
}

pub fn report(
    entity: EntityType,
    id: i32,
    status: StatusType,
    at: chrono::DateTime<chrono::Utc>,
) -> String {
    serde_json::to_string(&InternalStatusInfo::new(entity, id, at, status)).unwrap()
}

/// Stands for the network to the broker: it can be cut and restored.
pub struct Proxy {
    pub address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy that is cut at first.
    pub async fn cut() -> Self {
        let target = (config().host, config().port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = watch::Sender::new(false);
        let opened = is_open.subscribe();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if !*opened.borrow() {
                    continue;
                }
                let (target, mut opened) = (target.clone(), opened.clone());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = opened.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { address, is_open }
    }

    pub fn set_open(&self, open: bool) {
        self.is_open.send_replace(open);
    }

    pub fn broker(&self, name: &str) -> Broker {
        let mut config = config();
        config.host = self.address.ip().to_string();
        config.port = self.address.port();
        Broker::new(name, config)
    }
}
