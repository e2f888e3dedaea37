//! Messages on their way out.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use lapin::{BasicProperties, message::BasicReturnMessage, types::ShortString};
use uuid::Uuid;

use crate::{
    BrokerError, Topology,
    contract::{Command, EntityType, ExternalStatusInfo, InternalStatusInfo},
    headers, names,
    topology::short,
};

/// AMQP delivery modes.
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

/// A message to publish. Bodies are JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The exchange; empty is the default one, which routes to the queue named by the key.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// UTF-8 JSON.
    pub body: Vec<u8>,
    /// Stable across resends, so that receivers can drop repetitions: the event's id.
    pub message_id: String,
    /// The AMQP `type` property: what the body is.
    pub kind: String,
    /// When what it tells happened, on our clock.
    pub timestamp: DateTime<Utc>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Whether it survives a restart of the broker, in a durable queue.
    pub persistent: bool,
    /// Whether the publisher wants to know that no queue received it.
    pub mandatory: bool,
}

impl Outgoing {
    /// A command to a worker or instance: persistent and mandatory.
    ///
    /// # Errors
    /// None in practice; serialising to JSON is fallible by type.
    pub fn command(
        topology: &Topology,
        (entity, id): (EntityType, i32),
        command: &Command,
        message_id: impl Into<String>,
        timestamp: DateTime<Utc>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            exchange: topology.internal_exchange(),
            routing_key: names::command_key(entity, id),
            body: serde_json::to_vec(command)?,
            message_id: message_id.into(),
            kind: "command".to_owned(),
            timestamp,
            headers: BTreeMap::new(),
            persistent: true,
            mandatory: true,
        })
    }

    /// A command that carries out a request: its headers say which one, by when an outcome is due, and
    /// which instance it is for, where it named one. v1 workers look at the body only.
    #[must_use]
    pub fn for_request(
        mut self,
        request_id: Uuid,
        deadline: DateTime<Utc>,
        instance_id: Option<i32>,
    ) -> Self {
        let deadline = deadline.to_rfc3339_opts(SecondsFormat::Micros, true);
        let instance = instance_id.map(|id| (names::INSTANCE_ID_HEADER, id.to_string()));
        let request = [
            (names::REQUEST_ID_HEADER, request_id.to_string()),
            (names::DEADLINE_HEADER, deadline),
        ];
        let headers = request.into_iter().chain(instance);
        self.headers.extend(headers.map(|(name, value)| (name.to_owned(), value)));
        self
    }

    /// A status as a worker reports it: persistent and mandatory.
    ///
    /// # Errors
    /// None in practice; serialising to JSON is fallible by type.
    pub fn internal_status(
        topology: &Topology,
        (entity, id): (EntityType, i32),
        status: &InternalStatusInfo,
        message_id: impl Into<String>,
        timestamp: DateTime<Utc>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            exchange: topology.internal_exchange(),
            routing_key: names::status_key(entity, id),
            body: serde_json::to_vec(status)?,
            message_id: message_id.into(),
            kind: "internal-status".to_owned(),
            timestamp,
            headers: BTreeMap::new(),
            persistent: true,
            mandatory: true,
        })
    }

    /// A status for subscribers: persistent; nobody has to subscribe.
    ///
    /// # Errors
    /// None in practice; serialising to JSON is fallible by type.
    pub fn external_status(
        topology: &Topology,
        (entity, id): (EntityType, i32),
        status: &ExternalStatusInfo,
        message_id: impl Into<String>,
        timestamp: DateTime<Utc>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            exchange: topology.external_exchange(),
            routing_key: names::status_key(entity, id),
            body: serde_json::to_vec(status)?,
            message_id: message_id.into(),
            kind: "external-status".to_owned(),
            timestamp,
            headers: BTreeMap::new(),
            persistent: true,
            mandatory: false,
        })
    }

    /// A domain event under `<aggregate_type>.<id>.<EventType>`: persistent; nobody has to
    /// listen. `body` is the JSON the caller chose to tell.
    #[must_use]
    pub fn domain_event(
        topology: &Topology,
        (aggregate_type, aggregate_id, event_type): (&str, &str, &str),
        body: Vec<u8>,
        message_id: impl Into<String>,
        timestamp: DateTime<Utc>,
    ) -> Self {
        Self {
            exchange: topology.events_exchange(),
            routing_key: names::event_key(aggregate_type, aggregate_id, event_type),
            body,
            message_id: message_id.into(),
            kind: event_type.to_owned(),
            timestamp,
            headers: BTreeMap::new(),
            persistent: true,
            mandatory: false,
        }
    }

    pub(crate) fn encode(&self) -> Result<Encoded<'_>, BrokerError> {
        // A negative timestamp cannot be carried; it is for humans only.
        let timestamp = u64::try_from(self.timestamp.timestamp()).unwrap_or_default();
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_delivery_mode(if self.persistent { PERSISTENT } else { TRANSIENT })
            .with_message_id(short(&self.message_id)?)
            .with_type(short(&self.kind)?)
            .with_timestamp(timestamp)
            .with_headers(headers::to_table(&self.headers)?);
        Ok(Encoded {
            exchange: short(&self.exchange)?,
            routing_key: short(&self.routing_key)?,
            properties,
            message: self,
        })
    }
}

/// A message with its names checked and its properties built.
pub(crate) struct Encoded<'a> {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) message: &'a Outgoing,
}

impl Encoded<'_> {
    /// Whether the broker returned this very message.
    pub(crate) fn is(&self, returned: &BasicReturnMessage) -> bool {
        self.message.mandatory
            && returned.exchange == self.exchange
            && returned.routing_key == self.routing_key
            && returned.properties.message_id() == self.properties.message_id()
    }
}
