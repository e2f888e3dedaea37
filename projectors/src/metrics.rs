//! The metrics of this crate.
//!
//! The label `projection` is a projection's name, or `relay`: the relay is led and measured as they are.
//! Every replica tells what it sees of all of them.

use ::metrics::{describe_counter, describe_gauge};

/// Gauge, label `projection`: the position of the last event a projection finished.
pub const PROJECTION_CHECKPOINT: &str = "manman_projection_checkpoint";
/// Gauge, label `projection`: how many events of the log a projection has yet to do.
pub const PROJECTION_LAG: &str = "manman_projection_lag_events";
/// Gauge, label `projection`: for how long the oldest of them has been on the log.
pub const PROJECTION_LAG_SECONDS: &str = "manman_projection_lag_seconds";
/// Counter, label `projection`: events done by this process.
pub const PROJECTION_PROCESSED: &str = "manman_projection_processed_events_total";
/// Gauge, label `projection`: events put aside, those that could not be handled and those behind them.
pub const PARKED_EVENTS: &str = "manman_projection_parked_events";
/// Gauge, label `projection`: 1 on the replica that works on it, 0 on the others.
pub const LEASE_HELD: &str = "manman_projection_lease_held";
/// Gauge, label `projection`: the present epoch of its lease; raised by each takeover.
pub const LEASE_EPOCH: &str = "manman_projection_lease_epoch";
/// Gauge, label `projection`: how far its rows are that are filled anew beside those shown; 0 when none are.
pub const REBUILD_POSITION: &str = "manman_projection_rebuild_position";
/// Gauge, label `projection`: the head of the log while that goes on; 0 otherwise.
pub const REBUILD_TARGET: &str = "manman_projection_rebuild_target";
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
    describe_gauge!(PROJECTION_LAG_SECONDS, "Age in seconds of the oldest event yet to be done");
    describe_counter!(PROJECTION_PROCESSED, "Events a projection has done, in this process");
    describe_gauge!(PARKED_EVENTS, "Events put aside because they, or earlier ones, failed");
    describe_gauge!(LEASE_HELD, "Whether this replica works on the projection");
    describe_gauge!(LEASE_EPOCH, "Epoch of the projection's lease");
    describe_gauge!(REBUILD_POSITION, "Position that the rows of a rebuild in progress show");
    describe_gauge!(REBUILD_TARGET, "Position that a rebuild in progress has to come to");
    describe_gauge!(RELAY_CHECKPOINT, "Position of the last event that is with the broker");
    describe_counter!(INTAKE_REPORTS, "Status reports taken in, by what became of them");
    describe_counter!(LIVENESS_COMMANDS, "Losses, recoveries, ends and outcomes declared");
}
