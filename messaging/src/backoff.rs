//! When to try again after a failed or lost connection.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

/// Waits that double from `first` to `max`, each varied by ±10 % so that a fleet which lost its
/// broker together does not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    /// 250 ms to 10 s. v1 waited up to 30 s, which left commands undelivered that long after the
    /// broker was back, while an attempt costs neither side anything worth saving.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), max: Duration::from_secs(10) }
    }
}

/// One link's place in its [`Backoff`].
#[derive(Debug)]
pub(crate) struct Retry {
    backoff: Backoff,
    failures: u32,
    not_before: Option<Instant>,
}

impl Retry {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0, not_before: None }
    }

    /// How long to wait before the next attempt; `None` when it may be made now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.not_before?.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Puts the next attempt off, further each time.
    pub(crate) fn failed(&mut self, now: Instant) {
        let doubled = 2_u32.saturating_pow(self.failures);
        let wait = self.backoff.first.saturating_mul(doubled);
        self.failures = self.failures.saturating_add(1);
        self.put_off(now, wait.min(self.backoff.max));
    }

    /// Puts the next attempt off without counting a failure.
    pub(crate) fn put_off(&mut self, now: Instant, wait: Duration) {
        self.not_before = Some(now + wait.mul_f64(jitter()));
    }

    /// The link has proven itself: the next failure starts from the first wait again.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }
}

/// Between 0.9 and 1.1. The hasher's random keys save a dependency on a generator.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish() % 2_001;
    #[expect(clippy::cast_precision_loss, reason = "at most 2,000")]
    let fraction = random as f64 / 10_000.0;
    0.9 + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_one_within_ten_percent() {
        let now = Instant::now();
        let mut retry =
            Retry::new(Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) });
        assert_eq!(retry.wait(now), None);
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            retry.failed(now);
            let wait = retry.wait(now).unwrap().as_secs_f64();
            assert!((expected * 0.899..=expected * 1.101).contains(&wait), "{wait} for {expected}");
        }
        assert_eq!(retry.wait(now + Duration::from_secs(34)), None);
    }

    #[test]
    fn a_success_starts_over() {
        let now = Instant::now();
        let mut retry = Retry::new(Backoff::default());
        for _ in 0..100 {
            retry.failed(now);
        }
        retry.succeeded();
        assert_eq!(retry.wait(now), None);
        retry.failed(now);
        assert!(retry.wait(now).unwrap() < Duration::from_millis(300));
    }
}
