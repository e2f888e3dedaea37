//! A queue consumed as v1's clients do.

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::{AGAIN, Broker, soon};

/// A queue with somebody who takes everything out of it.
pub struct Inbox {
    consumer: lapin::Consumer,
    channel: Channel,
    _connection: Connection,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    pub routing_key: String,
    pub message_id: Option<String>,
    pub headers: FieldTable,
    pub body: String,
}

impl Inbox {
    /// Declares a durable queue and its bindings and consumes it. Waits for the broker, and for the exchanges:
    /// v1's workers and subscribers expect others to declare them.
    pub async fn open(
        broker: &Broker,
        queue: &str,
        auto_delete: bool,
        bindings: &[(&str, &str)],
    ) -> Self {
        // No closure for `found`: this runs in spawned tasks too, where the compiler cannot see that one is Send.
        soon(&format!("{queue} is consumed"), async {
            loop {
                match Self::try_open(broker, queue, auto_delete, bindings).await {
                    Ok(inbox) => return inbox,
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        })
        .await
    }

    async fn try_open(
        broker: &Broker,
        queue: &str,
        auto_delete: bool,
        bindings: &[(&str, &str)],
    ) -> lapin::Result<Self> {
        let connection =
            Connection::connect(&broker.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let options =
            QueueDeclareOptions { durable: true, auto_delete, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        for (exchange, key) in bindings {
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel
                .queue_bind(queue.into(), (*exchange).into(), (*key).into(), options, arguments)
                .await?;
        }
        channel.basic_qos(1, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(queue.into(), "".into(), options, arguments).await?;
        Ok(Self { consumer, channel, _connection: connection })
    }

    /// The next message, acknowledged.
    pub async fn next(&mut self, what: &str) -> Message {
        soon(what, self.try_next()).await.expect("the broker is there")
    }

    /// The next message, acknowledged; `None` when the connection is lost.
    pub async fn try_next(&mut self) -> Option<Message> {
        let delivery = self.consumer.next().await?.ok()?;
        delivery.ack(BasicAckOptions::default()).await.ok()?;
        Some(Message::of(delivery))
    }

    /// Publishes as v1 does: transient, unconfirmed, with an encoding and no other property.
    pub async fn publish(&self, exchange: &str, routing_key: &str, body: &str) {
        let properties = BasicProperties::default().with_content_encoding("utf-8".into());
        self.publish_with(exchange, routing_key, body, properties).await;
    }

    pub async fn publish_with(
        &self,
        exchange: &str,
        routing_key: &str,
        body: &str,
        properties: BasicProperties,
    ) {
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(
                exchange.into(),
                routing_key.into(),
                options,
                body.as_bytes(),
                properties,
            )
            .await
            .unwrap();
    }
}

impl Message {
    fn of(delivery: Delivery) -> Self {
        let properties = &delivery.properties;
        Self {
            routing_key: delivery.routing_key.to_string(),
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            headers: properties.headers().clone().unwrap_or_default(),
            body: String::from_utf8(delivery.data).unwrap(),
        }
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.inner().get(name).unwrap_or_else(|| panic!("no header {name}"));
        value.as_long_string().unwrap().to_string()
    }
}
