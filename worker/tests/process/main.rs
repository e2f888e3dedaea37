//! Game servers' processes, real ones: shell scripts under supervisors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod console;
mod endings;
mod hangs;
mod launches;
mod output;
mod stops;
mod support;
