//! One way out of the host, as deliveries find it.

use std::error::Error;
use std::time::{Duration, Instant};

use super::retry::Retry;

/// The API or the broker: whether it is there, and what is said of that in the log.
#[derive(Debug)]
pub(super) struct Transport {
    name: &'static str,
    retry: Retry,
    outage: Option<Outage>,
}

/// From the first failure until everything that waited because of it is delivered.
#[derive(Debug)]
struct Outage {
    since: Instant,
    delivered: usize,
}

impl Transport {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, retry: Retry::default(), outage: None }
    }

    /// Whether it failed the last time it was tried: then one attempt at a time is enough.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.retry.failures() > 0
    }

    /// When it may be tried again, if not now.
    pub(super) fn not_before(&self, now: Instant) -> Option<Instant> {
        self.retry.not_before(now)
    }

    /// It is away. Said once, however long that lasts.
    pub(super) fn failed(&mut self, now: Instant, error: &(dyn Error + 'static)) {
        // Attempts made side by side fail side by side: that is one failure.
        if self.not_before(now).is_none() {
            self.retry.failed(now);
        }
        if self.outage.is_none() {
            tracing::warn!(error, "{} is away; reports are kept until it is back", self.name);
            self.outage = Some(Outage { since: now, delivered: 0 });
        } else {
            tracing::debug!(error, "{} is still away", self.name);
        }
    }

    /// It is not to be tried for a while.
    pub(super) fn put_off(&mut self, now: Instant, wait: Duration) {
        self.retry.put_off(now, wait);
    }

    /// It took this many reports.
    pub(super) fn delivered(&mut self, reports: usize) {
        self.retry = Retry::default();
        if let Some(outage) = &mut self.outage {
            outage.delivered += reports;
        }
    }

    /// Nothing waits for it.
    pub(super) fn caught_up(&mut self, now: Instant) {
        if self.is_in_doubt() {
            return;
        }
        if let Some(outage) = self.outage.take() {
            tracing::info!(
                delivered = outage.delivered,
                seconds = now.duration_since(outage.since).as_secs(),
                "{} is back; the reports that waited for it are delivered",
                self.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> std::io::Error {
        std::io::Error::other("away")
    }

    #[test]
    fn what_fails_side_by_side_is_one_failure() {
        let now = Instant::now();
        let mut transport = Transport::new("test");
        for _ in 0..8 {
            transport.failed(now, &away());
        }
        let wait = transport.not_before(now).unwrap().duration_since(now);
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        transport.failed(now + wait, &away());
        assert!(transport.not_before(now + wait).is_some());
    }

    #[test]
    fn an_outage_lasts_until_everything_that_waited_is_delivered() {
        let now = Instant::now();
        let mut transport = Transport::new("test");
        transport.failed(now, &away());
        transport.caught_up(now);
        assert!(transport.is_in_doubt() && transport.outage.is_some());
        transport.delivered(2);
        assert!(!transport.is_in_doubt());
        assert_eq!(transport.not_before(now), None);
        transport.failed(now, &away());
        transport.delivered(3);
        assert_eq!(transport.outage.as_ref().map(|outage| outage.delivered), Some(5));
        transport.caught_up(now);
        assert!(transport.outage.is_none());
    }
}
