//! Every endpoint, on a real PostgreSQL, through the router.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database_away;
mod description;
mod experience;
mod freshness;
mod native;
mod native_history;
mod native_servers;
mod status;
mod support;
mod worker_dal;
