//! A link: one named connection to the broker, made again whenever it is lost.

use std::{sync::Arc, time::Duration};

use lapin::{ErrorKind, protocol::AMQPError};
use tokio::sync::watch;

use crate::{BrokerConfig, metrics, session::Session};

/// AMQP reply code: no permission, or another consumer holds the queue.
const ACCESS_REFUSED: u16 = 403;
/// AMQP reply code: the queue is in use, or exists with other properties.
const PRECONDITION_FAILED: u16 = 406;

/// The broker as one link sees it. Cheap to clone; a clone is the same link.
#[derive(Debug, Clone)]
pub struct Broker {
    link: Arc<Link>,
}

#[derive(Debug)]
struct Link {
    name: String,
    config: BrokerConfig,
    state: watch::Sender<LinkState>,
}

/// Counts connections, so that a late report about an old one says nothing about the present.
#[derive(Debug, Clone, Copy, Default)]
struct LinkState {
    generation: u64,
    connected: bool,
}

/// What kept an operation from succeeding. All of them are worth trying again.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Nobody answered, TLS did not verify, or the broker refused the login or the vhost.
    #[error("cannot connect to the broker at {address}")]
    Connect {
        /// Host, port and vhost.
        address: String,
        /// What the client library or the broker said.
        #[source]
        source: Box<lapin::Error>,
    },
    /// The broker did not answer in time.
    #[error("the broker at {address} did not answer within {after:?}")]
    Silent {
        /// Host, port and vhost.
        address: String,
        /// The timeout that passed.
        after: Duration,
    },
    /// The connection was lost, or the broker refused the operation.
    #[error("the broker did not {operation}")]
    Operation {
        /// What it should have done, e.g. `declare queue a`.
        operation: String,
        /// What the client library or the broker said.
        #[source]
        source: Box<lapin::Error>,
    },
    /// A name longer than the 255 bytes AMQP allows.
    #[error("name is too long for AMQP: {0}")]
    NameTooLong(String),
}

impl BrokerError {
    /// Whether the broker knows what was asked for as something else, or as in use (406).
    pub(crate) fn is_precondition(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.get_id() == PRECONDITION_FAILED)
    }

    /// Whether another consumer holds the queue. The broker's code for it, 403, is also that for
    /// missing permissions, which must not pass for a peaceful stand-by.
    pub(crate) fn is_held_by_another(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            refusal.get_id() == ACCESS_REFUSED
                && refusal.get_message().as_str().contains("exclusive use")
        })
    }

    fn refusal(&self) -> Option<&AMQPError> {
        match self {
            Self::Operation { source, .. } => match source.kind() {
                ErrorKind::ProtocolError(refusal) => Some(refusal),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Broker {
    /// A link named `name`, which labels its metrics, its logs and its connection in the broker's
    /// management view. Nothing is connected yet.
    #[must_use]
    pub fn new(name: impl Into<String>, config: BrokerConfig) -> Self {
        let name = name.into();
        ::metrics::gauge!(metrics::CONNECTED, "link" => name.clone()).set(0.0);
        Self { link: Arc::new(Link { name, config, state: watch::Sender::default() }) }
    }

    /// Whether the link is connected right now. Links connect when they are first used.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.state.borrow().connected
    }

    /// Returns once the link is connected, which may be never.
    pub async fn connected(&self) {
        self.wait_for(true).await;
    }

    /// Returns once the link is not connected.
    pub async fn disconnected(&self) {
        self.wait_for(false).await;
    }

    /// The link's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.link.name
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &BrokerConfig {
        &self.link.config
    }

    /// Connects. The session reports its end to this link by itself.
    pub(crate) async fn connect(&self) -> Result<Session, BrokerError> {
        Session::open(self.clone()).await
    }

    /// Records a new connection and returns the number by which it may report its end.
    pub(crate) fn up(&self) -> u64 {
        let mut generation = 0;
        self.link.state.send_modify(|state| {
            state.generation += 1;
            state.connected = true;
            generation = state.generation;
        });
        let name = self.link.name.clone();
        ::metrics::gauge!(metrics::CONNECTED, "link" => name.clone()).set(1.0);
        if generation > 1 {
            ::metrics::counter!(metrics::RECONNECTS, "link" => name).increment(1);
        }
        generation
    }

    /// Records the end of a connection, unless a newer one has taken its place.
    pub(crate) fn down(&self, generation: u64) {
        let changed = self.link.state.send_if_modified(|state| {
            let current = state.connected && state.generation == generation;
            state.connected &= !current;
            current
        });
        if changed {
            ::metrics::gauge!(metrics::CONNECTED, "link" => self.link.name.clone()).set(0.0);
        }
    }

    async fn wait_for(&self, connected: bool) {
        let mut state = self.link.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail before it ends.
        let _ = state.wait_for(|state| state.connected == connected).await;
    }
}
