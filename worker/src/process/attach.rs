//! Finding out what became of a run.

use std::io;
use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, timeout_at};

use super::Process;
use super::alive::Alive;
use super::leftovers::{self, Killed};
use super::tail;
use crate::files::{self, read_json};
use crate::run_dir::{Ending, HowEnded, RunDir, SPEC, STARTED};
use crate::supervisor::Lock;

/// How often reading an ending is tried, and how long in between: the agent may be out of descriptors.
const ENDING_ATTEMPTS: u32 = 10;
const ENDING_PAUSE: Duration = Duration::from_millis(500);

/// How long a supervisor may take to start its process: more only if it hangs, as on a file system that does not answer.
pub(super) const STARTING: Duration = Duration::from_secs(30);
/// How long a lock may be held by somebody who is about to be gone: he may have to kill what is left first.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// What became of a run.
#[derive(Debug)]
pub enum Attached {
    /// It runs.
    Running(Process),
    /// It is over.
    Ended(Ending),
    /// No process was started, and from now on none will be: the directory may be launched again.
    NeverStarted,
}

/// What to do about a lock that somebody holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Leave it at that.
    None,
    /// Wait: its holder is about to be gone.
    UntilFree,
}

/// What there is to know of a run without asking its supervisor.
#[derive(Debug)]
pub(super) enum Settled {
    /// It has one.
    Supervised,
    /// It is over.
    Ended(Ending),
    /// Nothing was started and nothing will be.
    NeverStarted,
}

impl Process {
    /// Finds out what became of a run, after a restart of the agent or of a launch that was given up. Waits
    /// for a supervisor that is just starting, but ends one that hangs for half a minute, with whatever it started.
    ///
    /// # Errors
    /// When the directory's files cannot be read or written, or ([`io::ErrorKind::TimedOut`]) when a supervisor that
    /// hangs cannot be ended; nothing is known then.
    pub async fn attach(dir: &RunDir) -> io::Result<Attached> {
        let deadline = Instant::now() + STARTING;
        let mut patience = Patience::None;
        loop {
            match settle(dir, patience).await? {
                Settled::Supervised => {
                    if patience == Patience::UntilFree && Instant::now() >= deadline {
                        let problem = "its supervisor hangs at its start and cannot be ended";
                        return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
                    }
                    patience = Patience::None;
                }
                Settled::Ended(ending) => return Ok(Attached::Ended(ending)),
                Settled::NeverStarted => return Ok(Attached::NeverStarted),
            }
            // A supervisor has `alive` open before it takes the lock, and until it has given it back or is just
            // being buried.
            let Some(mut alive) = Alive::open(dir)? else {
                patience = Patience::UntilFree;
                continue;
            };
            if let Some(started) = read_json(&dir.file(STARTED))? {
                return Ok(Attached::Running(Process::new(dir.clone(), started, alive)));
            }
            // It is starting: either way it comes out, the next look shows it.
            if timeout_at(deadline, alive.next()).await.is_err()
                && !dir.file(STARTED).try_exists()?
            {
                leftovers::kill_supervisor(dir)?;
                patience = Patience::UntilFree;
            }
        }
    }
}

/// The ending of a run whose supervisor is gone.
pub(super) async fn conclude(dir: &RunDir) -> Ending {
    let mut attempts = 1..=ENDING_ATTEMPTS;
    let problem = loop {
        match settle(dir, Patience::UntilFree).await {
            Ok(Settled::Ended(ending)) => return ending,
            Ok(Settled::NeverStarted) => break "its run directory was emptied".to_owned(),
            Ok(Settled::Supervised) => break "somebody keeps its lock".to_owned(),
            Err(error) if attempts.next().is_none() => break error.to_string(),
            Err(_) => tokio::time::sleep(ENDING_PAUSE).await,
        }
    };
    let reason = format!("how it ended could not be read: {problem}");
    Ending { how: HowEnded::Unknown { reason }, at: Utc::now(), last_lines: Vec::new() }
}

/// Looks at a run's files and, when it has no supervisor, makes what they say final.
pub(super) async fn settle(dir: &RunDir, patience: Patience) -> io::Result<Settled> {
    let dir = dir.clone();
    let settled = tokio::task::spawn_blocking(move || settle_now(&dir, patience));
    settled.await.map_err(io::Error::other)?
}

fn settle_now(dir: &RunDir, patience: Patience) -> io::Result<Settled> {
    let lock = match patience {
        Patience::None => Lock::try_take(dir).transpose(),
        Patience::UntilFree => Lock::take(dir, LOCK_PATIENCE).transpose(),
    };
    let mut lock = match lock {
        None => return Ok(Settled::Supervised),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Settled::NeverStarted);
        }
        Some(lock) => lock?,
    };
    if let Some(ending) = dir.ending()? {
        return Ok(Settled::Ended(ending));
    }
    let file = dir.file(STARTED);
    // One that cannot be read is one all the same: of before the host went down.
    let was_started = file.try_exists()?;
    let started = read_json(&file).ok().flatten();
    let holder = lock.last_holder()?;
    let killed = leftovers::kill(holder, started);
    if !was_started && killed == Killed::Nobody {
        // A supervisor that comes late, started by an agent that is gone, finds nothing to start.
        files::remove(&dir.file(SPEC))?;
        return Ok(Settled::NeverStarted);
    }
    let reason = if holder.is_some_and(|holder| !holder.is_of_this_boot()) {
        "the host went down while it ran".to_owned()
    } else {
        format!("its supervisor was killed, its exit status is lost; {killed}")
    };
    let how = HowEnded::Unknown { reason };
    let last_lines = tail::last_lines(dir).unwrap_or_default();
    let ending = Ending { how, at: Utc::now(), last_lines };
    dir.write_ending(&ending)?;
    Ok(Settled::Ended(ending))
}
