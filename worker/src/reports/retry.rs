//! When to try again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double from 100 ms to 10 s, each shortened by up to a half, so that hosts that lost their API together do
/// not come back together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Retry {
    failures: u32,
    not_before: Option<Instant>,
}

impl Retry {
    /// How often it failed since it last worked.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it was ever put off since it last worked.
    pub(super) const fn was_put_off(&self) -> bool {
        self.not_before.is_some()
    }

    /// When the next attempt may be made, if not now.
    pub(super) fn not_before(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|instant| *instant > now)
    }

    /// Puts the next attempt off, further each time.
    pub(super) fn failed(&mut self, now: Instant) {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.count();
        self.put_off(now, wait.mul_f64(jitter()));
    }

    /// Counts a failure without putting anything off.
    pub(super) const fn count(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Puts the next attempt off without counting a failure.
    pub(super) fn put_off(&mut self, now: Instant, wait: Duration) {
        self.not_before = Some(now + wait);
    }
}

/// Between 0.5 and 1. The hasher's random keys save a dependency on a generator.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish() % 1_001;
    #[expect(clippy::cast_precision_loss, reason = "at most 1,000")]
    let fraction = random as f64 / 2_000.0;
    0.5 + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_one_and_are_shortened_by_at_most_a_half() {
        let now = Instant::now();
        let mut retry = Retry::default();
        assert_eq!(retry.not_before(now), None);
        for expected in [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0] {
            retry.failed(now);
            let wait = retry.not_before(now).unwrap().duration_since(now).as_secs_f64();
            assert!((expected * 0.499..=expected * 1.001).contains(&wait), "{wait} for {expected}");
        }
        assert_eq!(retry.not_before(now + LONGEST), None);
        assert_eq!(retry.failures(), 9);
    }
}
