//! Both routers over a real database: every endpoint and every way it can be refused, with the bodies v1's clients send.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod description;
mod experience;
mod heartbeats;
mod idempotency;
mod native_catalogue;
mod native_deadlines;
mod native_heartbeat;
mod native_outcome;
mod native_registration;
mod support;
mod unavailable;
mod worker_dal;
