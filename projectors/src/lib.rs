//! The status processor: what happens because something was written to the log.
//!
//! Reads the log and writes read models, messages and further commands. Nobody calls it: it has no
//! HTTP of its own, and what it does follows from the log, the broker's queue and the clock of the
//! database. Each piece is started with `run` and stopped with its token.
//!
//! ```text
//! projection/    read models: one batch of events, one transaction with the checkpoints
//! rebuild/       the same read models from position zero beside the live ones, compared with them or shown instead
//! relay/         events to RabbitMQ: domain events, v1 commands to workers, v1 external statuses
//! intake/        v1 status reports from RabbitMQ, each turned into a command like any other
//! liveness/      process manager: silence, loss, recovery, and the outcome of requests
//! lease/         which replica does what, so that several share the work
//! subscription.rs  the loop that projections and relay share
//! decoded.rs       an event read from the log and understood
//! poison.rs        what is wrong with an event, and what with us
//! session.rs       database sessions of those who follow the log
//! shown.rs         which events change the status shown, and to what
//! status.rs        how a piece is doing, for readiness
//! standing.rs      how far projections and relay are, for an operator
//! trace.rs         one command through all processes, in the debug log
//! pause.rs         waits between attempts
//! insight.rs       what a replica sees of all that, as metrics
//! metrics.rs       names and help texts of the metrics
//! ```

mod decoded;
mod insight;
mod intake;
mod lease;
mod liveness;
pub mod metrics;
mod pause;
mod poison;
mod projection;
mod rebuild;
mod relay;
mod session;
mod shown;
mod standing;
mod status;
mod subscription;
mod trace;

pub use intake::Intake;
pub use liveness::{Liveness, LivenessConfig};
pub use projection::{PROJECTIONS, ProjectionInfo, Projectors};
pub use rebuild::{
    ColumnDifference, Differences, Filled, Progress, Rebuild, RebuildError, RowDifference,
    Switched, SwitchedBy, TableComparison, TableDifferences, Tell, cancel, diff, rebuilding,
    verify,
};
pub use relay::Relay;
pub use standing::{LogStandings, standings};
pub use status::PieceStatus;
pub use subscription::SubscriptionError;
