//! A run's directory: the files by which agent and supervisor know each other.
//!
//! ```text
//! run.json         the agent's record of the run: what, for whom, how far
//! spec.json        what the supervisor is to start; there from launch on, so that a run is launched once
//! lock             whoever holds it (flock) may change the files below: the supervisor for as long as it lives
//! started.json     written once by the supervisor when the process runs
//! ending.json      preallocated blanks until the end is written over them, so that a full disk loses no exit code
//! console          FIFO: lines for the process's stdin
//! alive            FIFO: bytes in it tell the agent that the process runs, its end of file that the supervisor is gone
//! output.log       what the process prints; rotated to output.log.1, .2, …
//! output.lines     how many lines it has printed, rotated and lost ones included
//! supervisor.log   what went wrong for the supervisor itself; seldom there
//! ```

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) const SPEC: &str = "spec.json";
pub(crate) const LOCK: &str = "lock";
pub(crate) const STARTED: &str = "started.json";
pub(crate) const ENDING: &str = "ending.json";
pub(crate) const CONSOLE: &str = "console";
pub(crate) const ALIVE: &str = "alive";
pub(crate) const OUTPUT: &str = "output.log";
pub(crate) const LINES: &str = "output.lines";
pub(crate) const SUPERVISOR_LOG: &str = "supervisor.log";

/// The size of `ending.json`.
const ENDING_BYTES: usize = 64 * 1024;

/// One run of a game server, named by the agent before anybody else knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a run's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// The directory at this path, which need not exist yet.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// One of the files listed at the top of this module.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes the room that the ending will need.
    pub(crate) fn reserve_ending(&self) -> io::Result<()> {
        fs::write(self.file(ENDING), vec![b' '; ENDING_BYTES])
    }

    /// How the run ended; `None` while that is not known. What is not readable as an ending, because whoever
    /// wrote it was killed, is none.
    pub(crate) fn ending(&self) -> io::Result<Option<Ending>> {
        match fs::read(self.file(ENDING)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the ending over the room reserved for it, and waits until the disk has it.
    pub(crate) fn write_ending(&self, ending: &Ending) -> io::Result<()> {
        let mut ending = ending.clone();
        let mut text = serde_json::to_vec(&ending)?;
        while text.len() > ENDING_BYTES && !ending.last_lines.is_empty() {
            ending.last_lines.remove(0);
            text = serde_json::to_vec(&ending)?;
        }
        text.resize(ENDING_BYTES.max(text.len()), b' ');
        // Not truncated: on a full disk the room would be gone.
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(self.file(ENDING))?;
        file.write_all_at(&text, 0)?;
        file.sync_data()
    }
}

/// What the supervisor is to start: `spec.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The executable, absolute.
    pub executable: PathBuf,
    /// Its arguments, verbatim.
    pub args: Vec<String>,
    /// Laid over the supervisor's own environment; of a repeated name the last counts.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub directory: PathBuf,
    /// How much of its output is kept.
    pub output: OutputLimits,
}

/// How much of a process's output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLimits {
    /// A file that is larger than this, in bytes, is rotated.
    pub file_bytes: u64,
    /// How many rotated files are kept beside the current one.
    pub rotated_files: u32,
}

impl Default for OutputLimits {
    /// 10 MB and five older files.
    fn default() -> Self {
        Self { file_bytes: 10_000_000, rotated_files: 5 }
    }
}

/// That the process runs: `started.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process, which is also the leader of its process group.
    pub pid: i32,
    /// When the kernel says it started, in clock ticks since boot; tells it from a later process with the
    /// same number. `None` where the system does not tell.
    pub start_time: Option<u64>,
    /// The supervisor's own process.
    pub supervisor_pid: u32,
    /// When.
    pub at: DateTime<Utc>,
}

/// How a run ended: `ending.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How.
    pub how: HowEnded,
    /// When.
    pub at: DateTime<Utc>,
    /// The last lines it printed, oldest first; bounded in number and length.
    pub last_lines: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowEnded {
    /// The process exited by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It could not be started.
    NotStarted {
        /// Why, for people.
        reason: String,
    },
    /// Its supervisor was killed and took the exit status with it; what was left of the process was killed.
    Unknown {
        /// What is known, for people.
        reason: String,
    },
}

impl HowEnded {
    /// Whether there was a process at all.
    #[must_use]
    pub const fn has_run(&self) -> bool {
        !matches!(self, Self::NotStarted { .. })
    }
}
