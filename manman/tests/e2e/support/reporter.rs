//! Status reports as our agent sends them: with an id, durable, and confirmed.

use chrono::{SecondsFormat, Utc};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::json;
use uuid::Uuid;

use super::Broker;

/// Somebody with statuses to tell.
pub struct Reporter {
    channel: Channel,
    _connection: Connection,
}

impl Reporter {
    pub async fn connect(broker: &Broker) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&broker.url(), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { channel, _connection: connection }
    }

    /// Tells a status of an instance, and returns its message id when the broker has it on disk.
    pub async fn report_instance(&self, id: i32, status: &str) -> Uuid {
        let message_id = Uuid::now_v7();
        let body = json!({
            "entity_type": "game_server_instance",
            "identifier": id.to_string(),
            "as_of": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false),
            "status_type": status,
        })
        .to_string();
        let properties = BasicProperties::default()
            .with_message_id(message_id.to_string().into())
            .with_delivery_mode(2);
        let published = self.channel.basic_publish(
            "internal_service_events".into(),
            format!("game_server_instance.{id}.status").into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            body.as_bytes(),
            properties,
        );
        let confirmation = published.await.unwrap().await.unwrap();
        assert!(matches!(confirmation, Confirmation::Ack(None)), "{confirmation:?}");
        message_id
    }
}
