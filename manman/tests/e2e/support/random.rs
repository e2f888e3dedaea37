//! What is random about a test, and can be had again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The seed of everything that is random, to play the same again as far as processes allow that.
pub const SEED: &str = "MANMAN_TEST_SEED";

/// Numbers at random, the same ones for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to below this.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Between these two numbers of milliseconds.
    pub fn pause(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

/// The seed that was asked for, or any.
pub fn seed() -> u64 {
    setting(SEED).unwrap_or_else(|| {
        u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos())
    })
}

/// A number that a test was given.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
