//! What one may ask of a subscription aggregate. Why is in the command's context.

use uuid::Uuid;

/// What one may ask of a subscription aggregate.
///
/// Whether an event is parked is not known here: it depends on what the subscription's reader can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionCommand {
    /// Try a parked event again, and those of its entity that wait behind it. Refused when it was
    /// skipped.
    RetryParked {
        /// Its place on the log.
        position: i64,
        /// Its id.
        event_id: Uuid,
    },
    /// Never apply a parked event. No event when that was decided before.
    SkipParked {
        /// Its place on the log.
        position: i64,
        /// Its id.
        event_id: Uuid,
    },
    /// Record that a projection's rebuilt rows are shown from here on. No event when the last switch
    /// was this one.
    RecordSwitch {
        /// The version of the rows before; `None` when it was never noted.
        from_version: Option<u32>,
        /// The version of the rows that are shown now.
        version: u32,
        /// Up to where they show the log.
        position: i64,
    },
}
