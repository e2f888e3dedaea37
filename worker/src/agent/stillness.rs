//! Whether this host has stood still: suspended, frozen, or starved of processor time.
//!
//! Whoever was silent for long enough may have been replaced, and wakes up with commands in its hands that are somebody
//! else's now. What runs, runs; but before it begins anything it asks.

use std::time::{Duration, SystemTime};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Another agent may take the worker over five seconds after the last sign of life, and that may have been two or three
/// seconds old when the stillness began.
const LONG: Duration = Duration::from_secs(2);
/// How often it is noted that this process runs.
const NOTED: Duration = Duration::from_millis(500);

/// Notes that time passes, by the clock on the wall: others may stand still with the host.
pub(super) struct Stillness {
    ticks: Interval,
    seen: SystemTime,
}

impl Stillness {
    pub(super) fn new() -> Self {
        let mut ticks = interval(NOTED);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, seen: SystemTime::now() }
    }

    /// To be waited for beside everything else, so that quiet is not taken for stillness. Cancel safe.
    pub(super) async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    /// Whether it was long since this was asked the last time.
    pub(super) fn was_long(&mut self) -> bool {
        let now = SystemTime::now();
        let since = now.duration_since(std::mem::replace(&mut self.seen, now));
        // A clock that was set back tells nothing.
        since.is_ok_and(|since| since > LONG)
    }
}
