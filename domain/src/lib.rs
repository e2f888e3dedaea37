//! The business of ManMan: what may happen to workers, game server instances, game servers and
//! their configs, what did happen, and what operators decided where something could not be handled.
//!
//! Pure and synchronous: no clock, no id generation, no I/O, no HTTP. Time and ids arrive in
//! commands. Each aggregate is a folder:
//!
//! ```text
//! worker/                a game host's agent: registration, statuses, loss and recovery, requests sent to it
//! game_server_instance/  one run of a game server on a worker
//! game_server/           the catalogue: a game, its command templates and their defaults
//! game_server_config/    how one game server is started
//! subscription/          a projection or the relay: parked events retried or skipped, switches to rebuilt rows
//! dead_letter/           a message of the broker that was given up on: retried or skipped
//!   command.rs   what one may ask            aggregate.rs  state, `decide`, `apply`
//!   event.rs     what happened               refusal.rs    how it says no
//!   tests        given events, when command, then events or refusal
//! claim.rs      rules over many aggregates (unique names, one default), held by the log
//! event.rs      `Event`, all event types behind one decoder
//! ids.rs        id newtypes       status.rs  statuses and how a report changes the current one
//! refusal.rs    how the domain says no
//! text.rs       what text is let in      upcast.rs  old event versions made readable
//! ```
//!
//! Beside them, `samples/` has every event as the log stores it, in every version there ever was.

mod claim;
pub mod dead_letter;
mod event;
pub mod game_server;
pub mod game_server_config;
pub mod game_server_instance;
mod ids;
mod refusal;
mod status;
pub mod subscription;
#[cfg(test)]
mod testing;
mod text;
mod upcast;
pub mod worker;

pub use cqrs_es::Aggregate;

pub use claim::{Claim, ClaimChange, ClaimScope, Claims};
pub use dead_letter::DeadLetter;
pub use event::{Event, EventError};
pub use game_server::GameServer;
pub use game_server_config::GameServerConfig;
pub use game_server_instance::GameServerInstance;
pub use ids::*;
pub use refusal::{Refusal, RefusalKind};
pub use status::{CurrentStatus, Standing, StatusReport, StatusType};
pub use subscription::Subscription;
pub use upcast::{Upcasters, upcasters};
pub use worker::Worker;

/// An instant in UTC, microsecond precision on the wire and in the log.
pub type Instant = chrono::DateTime<chrono::Utc>;
