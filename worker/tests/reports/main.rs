//! Reports arrive: in order, each under one id, whatever is away, refused, full or killed meanwhile.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../messaging/tests/support/mod.rs"]
mod broker;
#[path = "../support/stub_api.rs"]
mod stub_api;
mod support;

mod delivery;
mod disk;
mod outages;
mod refusals;
mod restarts;
