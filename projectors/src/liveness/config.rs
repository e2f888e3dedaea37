//! How patient liveness is.

use std::time::Duration;

/// How patient liveness is. The defaults are for v1 workers, which send a heartbeat every two seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivenessConfig {
    /// How often everything is looked at when the log does not grow.
    pub interval: Duration,
    /// How long a worker or instance may be silent. 5 s, as in v1: two missed beats are tolerated.
    pub lost_after: Duration,
    /// How long the first heartbeat may take, from the registration of a worker or the first status of
    /// an instance. Longer than a silence: an instance is installed before it has a heart.
    pub first_heartbeat_grace: Duration,
    /// How long a worker may be lost before it is closed.
    pub close_after: Duration,
    /// How long the final status of something closed may take: a v1 worker reports it after the goodbye.
    pub conclude_after: Duration,
    /// After how long without a flush an intake of heartbeats no longer counts as listening.
    pub intake_gone_after: Duration,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            lost_after: Duration::from_secs(5),
            first_heartbeat_grace: Duration::from_secs(30),
            close_after: Duration::from_secs(3_600),
            conclude_after: Duration::from_secs(60),
            intake_gone_after: Duration::from_secs(3),
        }
    }
}
