//! Who this agent is: what it remembers of itself between two lives, in a directory of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::AgentError;
use crate::files;

/// How long a lock may be held by nobody but a child of an agent that is gone.
const LOCK_OF_A_CHILD: Duration = Duration::from_millis(300);

/// The agent's own id, the worker it was, and the lock that keeps a second agent out of the directory.
pub(super) struct Identity {
    known: Known,
    path: PathBuf,
    _lock: Flock<File>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Known {
    /// Proves to `ManMan` that an agent is the one that registered before.
    agent_id: Uuid,
    /// The worker it is, or was.
    worker_id: Option<i32>,
}

impl Identity {
    /// Takes the directory, which is created if need be.
    ///
    /// # Errors
    /// When another agent has it, or it cannot be written.
    pub(super) fn take(directory: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory.join("runs")).map_err(failed)?;
        let lock = lock(directory)?;
        let path = directory.join("agent.json");
        let known = match files::read_json(&path).map_err(failed)? {
            Some(known) => known,
            None => Known { agent_id: Uuid::now_v7(), worker_id: None },
        };
        files::write_json(&path, &known).map_err(failed)?;
        Ok(Self { known, path, _lock: lock })
    }

    pub(super) const fn agent_id(&self) -> Uuid {
        self.known.agent_id
    }

    /// The worker that an earlier life of this agent was.
    pub(super) const fn worker_id(&self) -> Option<i32> {
        self.known.worker_id
    }

    /// Remembers the worker it is now, none after its end.
    pub(super) fn remember(&mut self, worker_id: Option<i32>) {
        self.known.worker_id = worker_id;
        if let Err(error) = files::write_json(&self.path, &self.known) {
            tracing::warn!(%error, "the agent's identity could not be written");
        }
    }
}

/// The lock goes with the process, however it ends. The file says who has it, for people.
fn lock(directory: &Path) -> Result<Flock<File>, AgentError> {
    let failed = |source| AgentError::Directory { path: directory.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))
        .map_err(failed)?;
    let mut holder = String::new();
    // Of no consequence: only the message to the second agent is poorer.
    drop(file.read_to_string(&mut holder));
    // A child that a killed agent was just starting has a copy of its lock until it becomes another program.
    let deadline = Instant::now() + LOCK_OF_A_CHILD;
    let mut lock = loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => break lock,
            Err((file, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                let process = holder.trim().to_owned();
                return Err(AgentError::DirectoryTaken { path: directory.to_owned(), process });
            }
            Err((_, errno)) => return Err(failed(io::Error::from(errno))),
        };
        std::thread::sleep(Duration::from_millis(10));
    };
    let written = lock
        .set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| writeln!(lock, "{}", std::process::id()));
    drop(written);
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_the_same_one_when_it_comes_back_to_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = Identity::take(directory.path()).unwrap();
        let agent_id = first.agent_id();
        assert_eq!(first.worker_id(), None);
        first.remember(Some(6));
        drop(first);
        let second = Identity::take(directory.path()).unwrap();
        assert_eq!((second.agent_id(), second.worker_id()), (agent_id, Some(6)));
    }

    #[test]
    fn a_second_agent_is_kept_out_and_told_by_whom() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Identity::take(directory.path()).unwrap();
        let Err(error) = Identity::take(directory.path()) else { panic!("two agents") };
        let message = error.to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let Err(error) = Identity::take(Path::new("/proc/manman")) else { panic!("made") };
        assert!(error.to_string().contains("/proc/manman"), "{error}");
    }
}
