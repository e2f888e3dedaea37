//! The metrics of this crate. Every one carries the label `link`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Counter: connections made after the first one of a link.
pub const RECONNECTS: &str = "manman_broker_reconnects_total";
/// Gauge: 1 while a link is connected, 0 while it is not.
pub const CONNECTED: &str = "manman_broker_connected";
/// Counter: messages the broker confirmed, unroutable ones included.
pub const PUBLISHED: &str = "manman_messages_published_total";
/// Counter: confirmed messages that no queue received.
pub const UNROUTABLE: &str = "manman_messages_unroutable_total";
/// Counter: messages given up on.
pub const DEAD_LETTERS: &str = "manman_dead_letters_total";
/// Histogram: from the first message of a batch to its last confirm, in seconds.
pub const CONFIRM_SECONDS: &str = "manman_publish_confirm_seconds";

/// Gives the recorder units and help texts; call once, after it is installed.
pub fn describe() {
    describe_counter!(RECONNECTS, "Connections to the broker made after the first one");
    describe_gauge!(CONNECTED, "1 while the link to the broker is connected");
    describe_counter!(PUBLISHED, "Messages confirmed by the broker");
    describe_counter!(UNROUTABLE, "Messages confirmed by the broker that no queue received");
    describe_counter!(DEAD_LETTERS, "Messages given up on and put into the dead letter queue");
    describe_histogram!(CONFIRM_SECONDS, Unit::Seconds, "Time until a batch was confirmed");
}
