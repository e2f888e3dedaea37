//! Whether a game server that ended unasked is started again, and when.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::{RestartPolicy, Supervision};
use crate::run_dir::HowEnded;

/// The longest a restart is put off.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What becomes of a game server that ended unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Restart {
    /// Its policy leaves it ended.
    No,
    /// It is started again.
    After {
        /// After this long.
        wait: Duration,
        /// As which restart of its window, counted from 1.
        number: usize,
    },
    /// Its policy would have it started again, but it was too often already.
    BudgetUsedUp,
}

/// Decides. `restarts` are the instants of earlier restarts, in any order.
///
/// The wait doubles with each restart of the window, from one second to a minute.
pub(super) fn decide(
    supervision: &Supervision,
    how: &HowEnded,
    restarts: &[DateTime<Utc>],
    now: DateTime<Utc>,
) -> Restart {
    let failed = !matches!(how, HowEnded::Exited { code: 0 });
    let wanted = match supervision.restart {
        RestartPolicy::Never => false,
        RestartPolicy::OnFailure => failed,
        RestartPolicy::Always => true,
    };
    if !wanted {
        return Restart::No;
    }
    let made = in_window(supervision, restarts, now).count();
    if made >= supervision.restart_limit as usize {
        return Restart::BudgetUsedUp;
    }
    let doublings = u32::try_from(made).unwrap_or(u32::MAX).min(6);
    let wait = Duration::from_secs(1 << doublings).min(LONGEST_BACKOFF);
    Restart::After { wait, number: made + 1 }
}

/// The restarts that count against the budget.
pub(super) fn in_window<'a>(
    supervision: &Supervision,
    restarts: &'a [DateTime<Utc>],
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a DateTime<Utc>> {
    let window = TimeDelta::seconds(supervision.restart_window_seconds.into());
    // One of the future is from before the clock was set back.
    let ages = move |restart: &&DateTime<Utc>| now.signed_duration_since(**restart);
    restarts.iter().filter(move |restart| (TimeDelta::zero()..window).contains(&ages(restart)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervision(restart: RestartPolicy) -> Supervision {
        Supervision { restart, ..Supervision::default() }
    }

    fn restarts(ages: &[i64], now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        ages.iter().map(|seconds| now - TimeDelta::seconds(*seconds)).collect()
    }

    #[test]
    fn never_leaves_it_ended_and_always_starts_it_again_after_a_clean_exit_too() {
        let now = Utc::now();
        for (policy, code, starts) in [
            (RestartPolicy::Never, 1, false),
            (RestartPolicy::OnFailure, 0, false),
            (RestartPolicy::OnFailure, 1, true),
            (RestartPolicy::Always, 0, true),
        ] {
            let decided = decide(&supervision(policy), &HowEnded::Exited { code }, &[], now);
            assert_eq!(matches!(decided, Restart::After { .. }), starts, "{policy:?} {code}");
        }
    }

    #[test]
    fn the_wait_doubles_until_the_budget_is_used_up() {
        let (supervision, now) = (supervision(RestartPolicy::OnFailure), Utc::now());
        let signalled = HowEnded::Signalled { signal: 11 };
        let waits: Vec<_> = (0..=5)
            .map(|made| {
                let earlier: Vec<i64> = (0..made).collect();
                decide(&supervision, &signalled, &restarts(&earlier, now), now)
            })
            .collect();
        let after = |seconds, number| Restart::After { wait: Duration::from_secs(seconds), number };
        let budget = [after(1, 1), after(2, 2), after(4, 3), after(8, 4), after(16, 5)];
        assert_eq!(waits[..5], budget);
        assert_eq!(waits[5], Restart::BudgetUsedUp);
    }

    #[test]
    fn restarts_before_the_window_do_not_count() {
        let (supervision, now) = (supervision(RestartPolicy::Always), Utc::now());
        let long_ago = restarts(&[601, 602, 603, 604, 605], now);
        let decided = decide(&supervision, &HowEnded::Exited { code: 0 }, &long_ago, now);
        assert_eq!(decided, Restart::After { wait: Duration::from_secs(1), number: 1 });
    }

    #[test]
    fn the_wait_is_never_longer_than_a_minute() {
        let now = Utc::now();
        let supervision =
            Supervision { restart_limit: 100, ..supervision(RestartPolicy::OnFailure) };
        let many = restarts(&(0..50).collect::<Vec<_>>(), now);
        let decided = decide(&supervision, &HowEnded::Exited { code: 1 }, &many, now);
        assert_eq!(decided, Restart::After { wait: LONGEST_BACKOFF, number: 51 });
    }
}
