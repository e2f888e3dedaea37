//! The metrics of reports.

use metrics::{describe_counter, describe_gauge};

/// Gauge: reports that are not delivered yet.
pub const UNDELIVERED: &str = "manman_worker_reports_undelivered";
/// Counter: reports delivered, over HTTP or AMQP.
pub const DELIVERED: &str = "manman_worker_reports_delivered_total";
/// Counter: reports refused for good, and those of a run that has no instance.
pub const REJECTED: &str = "manman_worker_reports_rejected_total";
/// Counter: reports given up on because neither disk nor memory had room for them.
pub const DROPPED: &str = "manman_worker_reports_dropped_total";

/// Gives the recorder help texts; call once, after it is installed.
pub fn describe() {
    describe_gauge!(UNDELIVERED, "Reports that are not delivered yet");
    describe_counter!(DELIVERED, "Reports delivered");
    describe_counter!(REJECTED, "Reports refused for good, kept in the spool's rejected directory");
    describe_counter!(DROPPED, "Reports lost because the disk could not be written for too long");
}
