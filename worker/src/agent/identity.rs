//! Who this agent is: what it remembers of itself between two lives, in a directory of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::AgentError;
use crate::files;

/// How long a lock may be held by nobody but a child of an agent that is gone.
const LOCK_OF_A_CHILD: Duration = Duration::from_millis(300);

/// For this user alone: there are secrets of game servers in it, and what is in it is believed.
const DIRECTORY_MODE: u32 = 0o700;
const LOCK_MODE: u32 = 0o600;
/// The permissions by which others than the owner could plant something.
const WRITABLE_BY_OTHERS: u32 = 0o022;

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
    /// When another agent has it, it cannot be written, or somebody else than this user could write it.
    pub(super) fn take(directory: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::Directory { path: directory.to_owned(), source };
        if let Some(parent) = directory.parent() {
            // Not the agent's alone: game servers are installed there.
            fs::create_dir_all(parent).map_err(failed)?;
        }
        for own in [directory.to_owned(), directory.join("runs")] {
            keep_to_ourselves(&own)
                .map_err(|source| AgentError::Directory { path: own, source })?;
        }
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

/// Makes a directory, or makes sure that nobody else can have put anything into the one that is there.
fn keep_to_ourselves(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = fs::metadata(directory)?;
    let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let (owner, user) = (found.uid(), Uid::effective());
    if owner != user.as_raw() {
        return refused(format!("it belongs to user {owner}, and the agent runs as user {user}"));
    }
    if found.mode() & WRITABLE_BY_OTHERS != 0 {
        let mode = found.mode() & 0o7777;
        return refused(format!(
            "others than its owner can write it (its mode is {mode:04o}); chmod go-w makes it safe"
        ));
    }
    Ok(())
}

/// Opens the file for the lock, and no other: not what a link leads to, nothing that makes its reader wait.
fn open_lock(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(LOCK_MODE)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if error.raw_os_error() != Some(libc::ELOOP) => Err(error),
        Ok(_) | Err(_) => Err(io::Error::other("it is not a file; an agent makes its lock itself")),
    }
}

/// The lock goes with the process, however it ends. The file says who has it, for people.
fn lock(directory: &Path) -> Result<Flock<File>, AgentError> {
    let path = directory.join("lock");
    let failed = |source| AgentError::Directory { path: path.clone(), source };
    let mut file = open_lock(&path).map_err(failed)?;
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
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

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

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// What is said about a directory that is not taken.
    fn refusal(directory: &Path) -> String {
        match Identity::take(directory) {
            Err(AgentError::Directory { path, source }) => format!("{}: {source}", path.display()),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was taken"),
        }
    }

    #[test]
    fn what_an_agent_keeps_is_for_its_user_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data/.manman");
        let _agent = Identity::take(&directory).unwrap();
        let modes =
            [&directory, &directory.join("runs"), &directory.join("lock")].map(|it| mode(it));
        assert_eq!(modes, [DIRECTORY_MODE, DIRECTORY_MODE, LOCK_MODE]);
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused_until_they_cannot() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("state");
        drop(Identity::take(&directory).unwrap());
        for open in [directory.clone(), directory.join("runs")] {
            for writable in [0o770, 0o1777, 0o702] {
                fs::set_permissions(&open, fs::Permissions::from_mode(writable)).unwrap();
                let refusal = refusal(&directory);
                assert!(refusal.starts_with(&format!("{}: others", open.display())), "{refusal}");
                assert!(refusal.contains("chmod go-w"), "{refusal}");
            }
            fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
            drop(Identity::take(&directory).unwrap());
        }
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        // Only root can give it away; for everybody else there is root's.
        let given_away = chown(directory.path(), Some(12_345), None).is_ok();
        let other = if given_away { directory.path() } else { Path::new("/") };
        let error = keep_to_ourselves(other).unwrap_err().to_string();
        assert!(error.contains("it belongs to user"), "{error}");
    }

    #[test]
    fn a_lock_that_somebody_planted_neither_blocks_nor_changes_anything() {
        let directory = tempfile::tempdir().unwrap();
        let (lock, victim) = (directory.path().join("lock"), directory.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        for target in [victim.clone(), directory.path().join("missing")] {
            symlink(&target, &lock).unwrap();
            let refusal = refusal(directory.path());
            assert!(refusal.contains("lock: it is not a file"), "{refusal}");
            fs::remove_file(&lock).unwrap();
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!directory.path().join("missing").exists());
        mkfifo(&lock, Mode::S_IRWXU).unwrap();
        let refusal = refusal(directory.path());
        assert!(refusal.contains("lock: it is not a file"), "{refusal}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let Err(error) = Identity::take(Path::new("/proc/manman")) else { panic!("made") };
        assert!(error.to_string().contains("/proc/manman"), "{error}");
    }
}
