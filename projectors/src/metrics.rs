//! The metrics of this crate.

use ::metrics::{describe_counter, describe_gauge};

/// Gauge, label `projection`: the position of the last event a projection finished.
pub const PROJECTION_CHECKPOINT: &str = "manman_projection_checkpoint";
/// Gauge, label `projection`: how many events of the log a projection has yet to do.
pub const PROJECTION_LAG: &str = "manman_projection_lag_events";
/// Gauge: the position of the last event that is with the broker.
pub const RELAY_CHECKPOINT: &str = "manman_relay_checkpoint";
/// Counter, label `result`: status reports taken in; `recorded`, `repeated` (known already),
/// `dead_lettered` or `requeued`.
pub const INTAKE_REPORTS: &str = "manman_intake_reports_total";
/// Counter, label `kind`: commands of the process manager that had an effect.
pub const LIVENESS_COMMANDS: &str = "manman_liveness_commands_total";

/// Gives the recorder help texts; call once, after it is installed.
pub fn describe() {
    describe_gauge!(PROJECTION_CHECKPOINT, "Position of the last event a projection finished");
    describe_gauge!(PROJECTION_LAG, "Events of the log that a projection has yet to do");
    describe_gauge!(RELAY_CHECKPOINT, "Position of the last event that is with the broker");
    describe_counter!(INTAKE_REPORTS, "Status reports taken in, by what became of them");
    describe_counter!(LIVENESS_COMMANDS, "Losses, recoveries, ends and outcomes declared");
}
