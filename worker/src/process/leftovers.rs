//! What a killed supervisor left running.

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::kernel::{self, Stat};
use crate::run_dir::{RunDir, Started};
use crate::supervisor::{Holder, Lock};

/// How long killed processes may take to be gone. They need more only while the kernel holds them, as with a
/// network file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Killed {
    /// Nobody was left.
    Nobody,
    /// Everybody who was left was killed.
    All,
    /// These many do not go.
    Not(usize),
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nothing was left of the process"),
            Self::All => f.write_str("what was left of the process was killed"),
            Self::Not(1) => f.write_str("a process was killed that does not go away"),
            Self::Not(many) => write!(f, "{many} processes were killed that do not go away"),
        }
    }
}

/// Kills what a supervisor that is gone left running, and waits until that is gone too: a port it listens on
/// must be free for the next.
pub(super) fn kill(holder: Option<Holder>, started: Option<Started>) -> Killed {
    let Some(holder) = holder else { return Killed::Nobody };
    let left = || left_over(&holder, started.as_ref());
    if left().is_empty() {
        return Killed::Nobody;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Again and again: one of them may have just made another.
        let left = left();
        if left.is_empty() {
            return Killed::All;
        }
        if Instant::now() > deadline {
            return Killed::Not(left.len());
        }
        for pid in left {
            let _ = signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        thread::sleep(PAUSE);
    }
}

/// Kills the supervisor that has a run's lock, if it has said who it is. What it started is for [`kill`].
pub(super) fn kill_supervisor(dir: &RunDir) -> io::Result<()> {
    if let Some(holder) = Lock::holder(dir)?
        && holder.is_of_this_boot()
        && holder.start_time.is_some()
        && kernel::stat(holder.pid).map(|stat| stat.start_time) == holder.start_time
    {
        let _ = signal::kill(Pid::from_raw(holder.pid), Signal::SIGKILL);
    }
    Ok(())
}

/// Who is still there of a game server: of its process group when that was written down, else of the session,
/// which has nobody else in it. Nobody who only has the same number as somebody long gone.
fn left_over(holder: &Holder, started: Option<&Started>) -> Vec<i32> {
    let is_another = |pid, start_time: Option<u64>| {
        kernel::stat(pid).is_some_and(|stat| Some(stat.start_time) != start_time)
    };
    if !holder.is_of_this_boot()
        || is_another(holder.pid, holder.start_time)
        || started.is_some_and(|started| is_another(started.pid, started.start_time))
    {
        return Vec::new();
    }
    let is_left = |stat: &Stat| {
        !stat.is_dead
            && stat.session == holder.pid
            && Some(stat.start_time) >= holder.start_time
            && started.is_none_or(|started| stat.group == started.pid)
    };
    kernel::processes()
        .filter(|pid| *pid != holder.pid && kernel::stat(*pid).is_some_and(|stat| is_left(&stat)))
        .collect()
}
