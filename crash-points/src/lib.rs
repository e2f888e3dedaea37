//! Places where a process can be made to die, as a power cut would end it: between two steps of which
//! people tend to believe that nothing comes between them.
//!
//! `MANMAN_CRASH_AT=append.after:3` kills the process when it comes to `append.after` for the third
//! time. In release builds there is nothing of this: [`reach`] is empty and [`arm`] reads nothing.
//!
//! May not do: anything but die. A place that behaves differently when it is watched proves nothing.

/// The variable that names a point, and after a colon how often it is reached before the process dies.
pub const VARIABLE: &str = "MANMAN_CRASH_AT";

/// A place where a process can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// Commits are about to be written to the log.
    AppendBefore,
    /// Commits are on the log; nobody has been told.
    AppendAfter,
    /// Rows and checkpoint are written; the transaction is open.
    BatchBeforeCommit,
    /// Rows and checkpoint are committed.
    BatchAfterCommit,
    /// Messages are ready to be sent.
    RelayBeforePublish,
    /// The broker has confirmed all messages; the checkpoint does not know.
    RelayPublished,
    /// Messages are sent; the broker has not confirmed them. Whoever publishes comes through here.
    PublishBetween,
    /// The tables of a rebuild have changed places with the live ones; the transaction is open.
    SwitchBeforeCommit,
    /// The same, committed.
    SwitchAfterCommit,
    /// A report is on the log; the broker still holds it for us.
    IntakeBeforeAck,
}

/// The setting names no point, or no number of times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}={0} must be a point, or a point and how often it is reached, as in append.after:3; known points: {known}", known = Point::ALL.map(Point::name).join(", "))]
pub struct InvalidSetting(String);

impl Point {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::AppendBefore,
        Self::AppendAfter,
        Self::BatchBeforeCommit,
        Self::BatchAfterCommit,
        Self::RelayBeforePublish,
        Self::RelayPublished,
        Self::PublishBetween,
        Self::SwitchBeforeCommit,
        Self::SwitchAfterCommit,
        Self::IntakeBeforeAck,
    ];

    /// As the variable names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppendBefore => "append.before",
            Self::AppendAfter => "append.after",
            Self::BatchBeforeCommit => "batch.before-commit",
            Self::BatchAfterCommit => "batch.after-commit",
            Self::RelayBeforePublish => "relay.before-publish",
            Self::RelayPublished => "relay.published",
            Self::PublishBetween => "publish.between",
            Self::SwitchBeforeCommit => "switch.before-commit",
            Self::SwitchAfterCommit => "switch.after-commit",
            Self::IntakeBeforeAck => "intake.before-ack",
        }
    }
}

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub use armed::{arm, reach};

/// Reads nothing: this build has no crash points.
///
/// # Errors
/// Never.
#[cfg(not(debug_assertions))]
pub const fn arm() -> Result<(), InvalidSetting> {
    Ok(())
}

/// Nothing: this build has no crash points.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn reach(_: Point) {}
