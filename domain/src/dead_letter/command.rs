//! What one may ask of a dead letter aggregate. Why is in the command's context.

/// What one may ask of a dead letter aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterCommand {
    /// Put it back into its queue. Refused when it was skipped.
    Retry {
        /// The queue it was consumed from.
        queue: String,
        /// Why it was given up on.
        reason_dead: String,
    },
    /// Never try it again. No event when that was decided before.
    Skip {
        /// The queue it was consumed from.
        queue: String,
        /// Why it was given up on.
        reason_dead: String,
    },
}
