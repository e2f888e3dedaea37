//! One at a time may change a run's files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::process::kernel;
use crate::run_dir::{LOCK, RunDir};

/// How often a lock that somebody has is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// The right to change a run's files; given back when it is dropped or its process ends, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// The supervisor that holds or last held a lock. Its process id is also the number of the session that its
/// game server is in: by it a game server is found that nobody had time to write down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pid: i32,
    pub(crate) start_time: Option<u64>,
    pub(crate) boot_id: Option<Uuid>,
}

impl Holder {
    /// Whether the host has been up ever since: otherwise its process, and its game server's, are long gone.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot_id == kernel::boot_id()
    }
}

impl Lock {
    /// Takes the lock; `None` when somebody has it.
    pub(crate) fn try_take(dir: &RunDir) -> io::Result<Option<Self>> {
        let file = open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for the lock, in the way of the whole thread: for when its holder is about to be gone. `None` when somebody
    /// has it still.
    pub(crate) fn take(dir: &RunDir, patience: Duration) -> io::Result<Option<Self>> {
        let deadline = Instant::now() + patience;
        loop {
            let lock = Self::try_take(dir)?;
            if lock.is_some() || Instant::now() > deadline {
                return Ok(lock);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Who has the lock, as far as that was written down, or had it last.
    pub(crate) fn holder(dir: &RunDir) -> io::Result<Option<Holder>> {
        Self { file: open(dir)? }.last_holder()
    }

    /// Writes down that this process is the run's supervisor.
    pub(super) fn sign(&mut self) -> io::Result<()> {
        let pid = std::process::id().cast_signed();
        let start_time = kernel::stat(pid).map(|stat| stat.start_time);
        let holder = Holder { pid, start_time, boot_id: kernel::boot_id() };
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(&holder)?)
    }

    /// The run's last supervisor; `None` when there was none, or it was killed before it said so.
    pub(crate) fn last_holder(&mut self) -> io::Result<Option<Holder>> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text).ok())
    }
}

impl Drop for Lock {
    /// Given back by word. Closing the file would not do: a child that another thread is just starting has a copy of
    /// the descriptor until it has become another program.
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

fn open(dir: &RunDir) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(dir.file(LOCK))
}
