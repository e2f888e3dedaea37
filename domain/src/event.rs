//! `Event`: the events of all aggregates, decoded from what the log stores.

use cqrs_es::{Aggregate, DomainEvent};
use serde::de::DeserializeOwned;

use crate::dead_letter::DeadLetterEvent;
use crate::game_server::GameServerEvent;
use crate::game_server_config::GameServerConfigEvent;
use crate::game_server_instance::InstanceEvent;
use crate::subscription::SubscriptionEvent;
use crate::upcast::{Upcasters, upcasters};
use crate::worker::WorkerEvent;
use crate::{DeadLetter, GameServer, GameServerConfig, GameServerInstance, Subscription, Worker};

/// An event of any aggregate. Matches over it are exhaustive, so that a new event asks every
/// reader for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of a worker.
    Worker(WorkerEvent),
    /// Of a game server instance.
    Instance(InstanceEvent),
    /// Of a game server.
    GameServer(GameServerEvent),
    /// Of a game server config.
    Config(GameServerConfigEvent),
    /// Of a projection or the relay: what operators decided about it.
    Subscription(SubscriptionEvent),
    /// Of a message of the broker that was given up on.
    DeadLetter(DeadLetterEvent),
}

/// A stored event that this version of the domain cannot read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Nobody here owns that aggregate type.
    #[error("unknown aggregate type {0:?}")]
    UnknownAggregate(String),
    /// The payload does not have the shape its type and version promise.
    #[error("event {event_type} version {event_version} of {aggregate_type} is unreadable")]
    Unreadable {
        /// The aggregate type as stored.
        aggregate_type: String,
        /// The event type as stored.
        event_type: String,
        /// The event version as stored.
        event_version: String,
        /// What the decoder said.
        #[source]
        source: serde_json::Error,
    },
}

impl Event {
    /// Decodes a stored event, upcasting old versions.
    ///
    /// # Errors
    /// When the aggregate type is unknown or the payload unreadable: a log written by a newer
    /// version, or damage. Never skip such an event silently.
    pub fn decode(
        aggregate_type: &str,
        event_type: &str,
        event_version: &str,
        payload: &str,
    ) -> Result<Self, EventError> {
        let stored = Stored { aggregate_type, event_type, event_version, payload };
        match aggregate_type {
            Worker::TYPE => stored.decode().map(Self::Worker),
            GameServerInstance::TYPE => stored.decode().map(Self::Instance),
            GameServer::TYPE => stored.decode().map(Self::GameServer),
            GameServerConfig::TYPE => stored.decode().map(Self::Config),
            Subscription::TYPE => stored.decode().map(Self::Subscription),
            DeadLetter::TYPE => stored.decode().map(Self::DeadLetter),
            other => Err(EventError::UnknownAggregate(other.to_owned())),
        }
    }

    /// The event's type, such as `WorkerRegistered`.
    #[must_use]
    pub fn event_type(&self) -> String {
        match self {
            Self::Worker(event) => event.event_type(),
            Self::Instance(event) => event.event_type(),
            Self::GameServer(event) => event.event_type(),
            Self::Config(event) => event.event_type(),
            Self::Subscription(event) => event.event_type(),
            Self::DeadLetter(event) => event.event_type(),
        }
    }
}

struct Stored<'a> {
    aggregate_type: &'a str,
    event_type: &'a str,
    event_version: &'a str,
    payload: &'a str,
}

impl Stored<'_> {
    fn decode<E: DeserializeOwned>(&self) -> Result<E, EventError> {
        static UPCASTERS: std::sync::LazyLock<Upcasters> = std::sync::LazyLock::new(upcasters);
        let decoded = match UPCASTERS.upcast(self.event_type, self.event_version, self.payload) {
            Ok(None) => serde_json::from_str(self.payload),
            Ok(Some(upcasted)) => serde_json::from_value(upcasted),
            Err(error) => Err(error),
        };
        decoded.map_err(|source| EventError::Unreadable {
            aggregate_type: self.aggregate_type.to_owned(),
            event_type: self.event_type.to_owned(),
            event_version: self.event_version.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::samples;

    #[test]
    fn every_sample_ever_stored_is_readable() {
        let mut read = 0;
        for folder in fs::read_dir(samples()).unwrap() {
            for file in fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let aggregate_type = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
                let (event_type, version) =
                    path.file_stem().unwrap().to_str().unwrap().split_once('.').unwrap();
                for payload in fs::read_to_string(&path).unwrap().lines() {
                    let event =
                        Event::decode(aggregate_type, event_type, version, payload).unwrap();
                    assert_eq!(event.event_type(), event_type);
                    read += 1;
                }
            }
        }
        assert!(read > 0, "no samples in {}", samples().display());
    }

    #[test]
    fn an_aggregate_type_that_nobody_owns_is_an_error() {
        let error = Event::decode("door", "DoorOpened", "1", "{}").unwrap_err();
        assert!(matches!(error, EventError::UnknownAggregate(door) if door == "door"));
    }

    #[test]
    fn an_event_of_a_newer_version_of_the_domain_is_an_error_that_names_it() {
        for payload in [r#"{"WorkerPromoted":{}}"#, r#"{"WorkerClosed":{"by":1}}"#, "not JSON"] {
            let error = Event::decode(Worker::TYPE, "WorkerPromoted", "7", payload).unwrap_err();
            assert_eq!(error.to_string(), "event WorkerPromoted version 7 of worker is unreadable");
        }
    }
}
