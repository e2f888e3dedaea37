//! Both routers over a real database: every endpoint and every way it can be refused, with the bodies v1's clients send.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod description;
mod experience;
mod heartbeats;
mod idempotency;
mod native_deadlines;
mod support;
mod unavailable;
mod worker_dal;
