//! RabbitMQ: the v1 wire contract, who declares what, publishing with confirms, consuming with
//! acknowledgement after the work, dead letters, and a reconnect loop of our own.
//!
//! This crate knows the broker and nothing else: no aggregates, no SQL, no HTTP, and no policy on
//! what is published when. It is the only one that may use `lapin`.
//!
//! - [`names`]: every exchange, queue, routing key and header, in one file
//! - [`contract`]: the JSON bodies workers, subscribers and we exchange
//! - [`Topology`]: what exists on the broker, declared so that either side may start first
//! - [`BrokerConfig`], [`Broker`]: where the broker is, and one monitored connection to it per link
//! - [`Publisher`], [`Outgoing`]: ordered batches, confirmed; [`PublishError`] says what is known
//! - [`Consumer`], [`Delivery`]: one queue, prefetch, manual acknowledgement, graceful stop
//! - [`DeadLetters`]: what was given up on, trying it again, and deciding not to
//!
//! Delivery is at least once in both directions. A *link* is one named connection (`relay`,
//! `report.intake`, …): it has its own back-off, its own gauge, and its own line in readiness.

mod backoff;
mod broker;
mod config;
mod confirm_channel;
mod consumer;
pub mod contract;
mod dead_letters;
mod delivery;
mod headers;
pub mod metrics;
pub mod names;
mod outgoing;
mod publisher;
mod session;
mod topology;

pub use backoff::Backoff;
pub use broker::{Broker, BrokerError};
pub use config::{BrokerConfig, ConfigError, Tls};
pub use consumer::{Consumer, ConsumerConfig};
pub use dead_letters::{DeadLetter, DeadLetters, Decision, Handled};
pub use delivery::{DeadLetterError, Delivery};
pub use outgoing::Outgoing;
pub use publisher::{PublishError, Published, Publisher};
pub use topology::{QueueSpec, Topology};
