//! Waits between attempts.

use std::time::Duration;

/// Waits that double while attempts fail, up to a longest one.
#[derive(Debug)]
pub(crate) struct Pause {
    next: Duration,
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// The wait before the next attempt.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(Self::LONGEST);
        pause
    }

    pub(crate) fn reset(&mut self) {
        self.next = Self::FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Pause};

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_success() {
        let mut pause = Pause::new();
        let waits: Vec<_> = (0..7).map(|_| pause.after_failure().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3000, 3000]);
        pause.reset();
        assert_eq!(pause.after_failure(), Duration::from_millis(100));
    }
}
