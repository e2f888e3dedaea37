//! Dying, in builds that can.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{InvalidSetting, Point, VARIABLE};

static PLAN: OnceLock<Plan> = OnceLock::new();
static REACHED: AtomicU64 = AtomicU64::new(0);

/// Where to die, and the how manieth time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    point: Point,
    times: u64,
}

impl FromStr for Plan {
    type Err = InvalidSetting;

    fn from_str(setting: &str) -> Result<Self, Self::Err> {
        let (name, times) = setting.split_once(':').unwrap_or((setting, "1"));
        let point = Point::ALL.into_iter().find(|point| point.name() == name);
        match (point, times.parse()) {
            (Some(point), Ok(times)) if times > 0 => Ok(Self { point, times }),
            _ => Err(InvalidSetting(setting.to_owned())),
        }
    }
}

/// Reads where this process is to die, if anywhere. To be called once, before anything is reached.
///
/// # Errors
/// If the setting names nothing known.
pub fn arm() -> Result<(), InvalidSetting> {
    if let Some(setting) = std::env::var_os(VARIABLE) {
        let plan = setting.to_string_lossy().parse()?;
        PLAN.get_or_init(|| plan);
    }
    Ok(())
}

/// Dies here, if that is what this process was started for.
pub fn reach(point: Point) {
    let Some(plan) = PLAN.get().filter(|plan| plan.point == point) else { return };
    if REACHED.fetch_add(1, Ordering::SeqCst) + 1 == plan.times {
        // Nothing is flushed, closed or unwound: no destructor may repair what a power cut leaves.
        let _ = kill(Pid::this(), Signal::SIGKILL);
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_can_be_named_with_and_without_a_number_of_times() {
        for point in Point::ALL {
            assert_eq!(point.name().parse(), Ok(Plan { point, times: 1 }));
            assert_eq!(format!("{}:7", point.name()).parse(), Ok(Plan { point, times: 7 }));
        }
    }

    #[test]
    fn what_names_no_point_is_refused_with_those_that_there_are() {
        for setting in ["", "append", "append.after:", "append.after:0", "append.after:-1", "x:1"] {
            let error = setting.parse::<Plan>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("MANMAN_CRASH_AT={setting} ")), "{error}");
            assert!(Point::ALL.iter().all(|point| error.contains(point.name())), "{error}");
        }
    }
}
