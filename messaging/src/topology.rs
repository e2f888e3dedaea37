//! What exists on the broker. Declaring is idempotent, and both sides declare what they need: a
//! worker, a subscriber and each of our services may start in any order.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{FieldTable, ShortString},
};

use crate::{
    BrokerError,
    contract::EntityType,
    names::{self, DEAD_LETTER_EXCHANGE, EVENTS_EXCHANGE, EXTERNAL_EXCHANGE, INTERNAL_EXCHANGE},
    session::Session,
};

/// The exchanges and queues, all durable and without arguments, as v1 declares them: a second
/// declaration with other properties would be refused with 406, whoever comes second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    namespace: String,
}

/// A queue and what is bound to it. Always durable, never exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name.
    pub name: String,
    /// Whether the broker deletes it when its last consumer leaves.
    pub auto_delete: bool,
    /// Exchange and routing pattern of every binding.
    pub bindings: Vec<(String, String)>,
}

impl Topology {
    /// The names of the v1 contract.
    #[must_use]
    pub fn v1() -> Self {
        Self::default()
    }

    /// The same with `namespace` before every exchange and queue name, so that tests can share a
    /// virtual host. Routing keys stay as they are.
    #[must_use]
    pub fn in_namespace(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into() }
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.namespace)
    }

    /// Commands to workers, statuses from them.
    #[must_use]
    pub fn internal_exchange(&self) -> String {
        self.named(INTERNAL_EXCHANGE)
    }

    /// Statuses for subscribers.
    #[must_use]
    pub fn external_exchange(&self) -> String {
        self.named(EXTERNAL_EXCHANGE)
    }

    /// Domain events.
    #[must_use]
    pub fn events_exchange(&self) -> String {
        self.named(EVENTS_EXCHANGE)
    }

    /// Messages given up on.
    #[must_use]
    pub fn dead_letter_exchange(&self) -> String {
        self.named(DEAD_LETTER_EXCHANGE)
    }

    /// Where they stay until they are tried again.
    #[must_use]
    pub fn dead_letter_queue(&self) -> QueueSpec {
        QueueSpec {
            name: self.named(names::DEAD_LETTER_QUEUE),
            auto_delete: false,
            bindings: vec![(self.dead_letter_exchange(), String::new())],
        }
    }

    /// Where those go that an operator decided not to try again. Declared when the first one does.
    #[must_use]
    pub fn skipped_letter_queue(&self) -> QueueSpec {
        QueueSpec {
            name: self.named(names::SKIPPED_LETTER_QUEUE),
            auto_delete: false,
            bindings: Vec::new(),
        }
    }

    /// What workers report about themselves and their instances.
    #[must_use]
    pub fn internal_status_queue(&self) -> QueueSpec {
        self.status_queue(names::INTERNAL_STATUS_QUEUE, &self.internal_exchange())
    }

    /// v1's copy of everything told to subscribers, which it consumed only to log it. Nothing
    /// declares it by itself: without a consumer it would grow for ever.
    #[must_use]
    pub fn external_status_queue(&self) -> QueueSpec {
        self.status_queue(names::EXTERNAL_STATUS_QUEUE, &self.external_exchange())
    }

    /// The commands to one worker or instance. Deleted by the broker when its consumer leaves, but
    /// not before it first had one: commands sent while a worker starts are kept.
    #[must_use]
    pub fn command_queue(&self, entity: EntityType, id: i32) -> QueueSpec {
        QueueSpec {
            name: self.named(&names::command_queue(entity, id)),
            auto_delete: true,
            bindings: vec![(self.internal_exchange(), names::command_key(entity, id))],
        }
    }

    fn status_queue(&self, name: &str, exchange: &str) -> QueueSpec {
        let patterns =
            [EntityType::Worker, EntityType::GameServerInstance].map(names::status_pattern);
        QueueSpec {
            name: self.named(name),
            auto_delete: false,
            bindings: patterns.map(|key| (exchange.to_owned(), key)).to_vec(),
        }
    }

    /// Declares what every link relies on: the four exchanges, the dead letters, and the status
    /// queue, so that no report is lost while the status processor has yet to start.
    pub(crate) async fn declare(
        &self,
        session: &Session,
        channel: &Channel,
    ) -> Result<(), BrokerError> {
        for (exchange, kind) in [
            (self.internal_exchange(), ExchangeKind::Topic),
            (self.external_exchange(), ExchangeKind::Topic),
            (self.events_exchange(), ExchangeKind::Topic),
            (self.dead_letter_exchange(), ExchangeKind::Fanout),
        ] {
            let durable =
                ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let answer =
                channel.exchange_declare(short(&exchange)?, kind, durable, FieldTable::default());
            session.within(format!("declare exchange {exchange}"), answer).await?;
        }
        self.internal_status_queue().declare(session, channel).await?;
        self.dead_letter_queue().declare(session, channel).await
    }
}

impl QueueSpec {
    /// Declares the queue and its bindings; the exchanges must exist.
    pub(crate) async fn declare(
        &self,
        session: &Session,
        channel: &Channel,
    ) -> Result<(), BrokerError> {
        let name = short(&self.name)?;
        let options = QueueDeclareOptions {
            durable: true,
            auto_delete: self.auto_delete,
            ..QueueDeclareOptions::default()
        };
        let answer = channel.queue_declare(name.clone(), options, FieldTable::default());
        session.within(format!("declare queue {name}"), answer).await?;
        for (exchange, key) in &self.bindings {
            let answer = channel.queue_bind(
                name.clone(),
                short(exchange)?,
                short(key)?,
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            session.within(format!("bind queue {name} to {exchange} with {key}"), answer).await?;
        }
        Ok(())
    }

    /// Deletes the queue with what is in it, unless somebody consumes it. `false` when somebody
    /// does; a queue that does not exist counts as deleted.
    pub(crate) async fn delete_unless_used(
        &self,
        session: &Session,
        channel: &Channel,
    ) -> Result<bool, BrokerError> {
        let options = QueueDeleteOptions { if_unused: true, ..QueueDeleteOptions::default() };
        let answer = channel.queue_delete(short(&self.name)?, options);
        match session.within(format!("delete queue {}", self.name), answer).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_precondition() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A name as AMQP carries it. The library's own conversion panics on a longer one.
pub(crate) fn short(name: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(name).map_err(|_| BrokerError::NameTooLong(name.to_owned()))
}
