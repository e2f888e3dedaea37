//! Starting a supervisor and waiting for its word.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::stat::Mode;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::alive::{Alive, News};
use super::attach::STARTING;
use super::{Attached, Process, lines_text};
use crate::files::{put_json, read_json};
use crate::own_settings;
use crate::run_dir::{
    ALIVE, CONSOLE, Ending, LINES, LaunchSpec, RunDir, SPEC, STARTED, SUPERVISOR_LOG,
};
use crate::supervisor::Lock;

/// How long a supervisor that was killed may take to be gone: more only while the kernel holds it.
const DYING: Duration = Duration::from_secs(5);

/// How a supervisor is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The executable and its first arguments; the run directory is appended.
    pub command: Vec<OsString>,
}

/// What a launch came to.
#[derive(Debug)]
pub enum Launched {
    /// The process runs.
    Running(Process),
    /// It could not be started, or has ended already.
    Ended(Ending),
}

/// Why there was no launch. Nothing runs then, and the directory may be launched again.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// One launch per run: [`Process::attach`] says what became of it.
    #[error("this run was launched already")]
    AlreadyLaunched,
    /// The run directory could not be filled, as on a full disk.
    #[error("the run directory could not be prepared: {0}")]
    Directory(#[source] io::Error),
    /// There is no supervisor without a program.
    #[error("the supervisor {command:?} could not be started: {source}")]
    Spawn {
        /// What was to be started.
        command: OsString,
        /// Why it could not.
        source: io::Error,
    },
    /// The supervisor went before it had started anything.
    #[error("the supervisor failed ({status}): {log}")]
    Supervisor {
        /// Its exit status.
        status: ExitStatus,
        /// What it wrote down about it.
        log: String,
    },
    /// The supervisor hung before it had started anything, and was killed.
    #[error("the supervisor started nothing in {} s and was killed: {log}", .waited.as_secs())]
    Hung {
        /// How long it was waited for.
        waited: Duration,
        /// What it wrote down.
        log: String,
    },
}

impl Process {
    /// Starts a game server under a supervisor of its own, which outlives this agent, and waits until it runs
    /// or is known not to. Creates the run directory if need be. A supervisor that hangs for half a minute is ended,
    /// with whatever it started.
    ///
    /// Dropping the future leaves the launch to itself: [`Process::attach`] finds what became of it.
    ///
    /// # Errors
    /// See [`LaunchError`]. That the executable cannot be started is no error but an [`Ending`].
    pub async fn launch(
        supervisor: &Supervisor,
        dir: &RunDir,
        spec: &LaunchSpec,
    ) -> Result<Launched, LaunchError> {
        prepare(dir, spec)?;
        let failure = match start(supervisor, dir).await {
            Ok(process) => return Ok(Launched::Running(process)),
            Err(error) => error,
        };
        // Whoever runs now was started by somebody else; and one that comes late will start nothing.
        match Self::attach(dir).await.map_err(LaunchError::Directory)? {
            Attached::Running(process) => Ok(Launched::Running(process)),
            Attached::Ended(ending) => Ok(Launched::Ended(ending)),
            Attached::NeverStarted => Err(failure),
        }
    }
}

/// Makes the files by which both sides meet. `spec.json` comes last: where it is, everything is.
fn prepare(dir: &RunDir, spec: &LaunchSpec) -> Result<(), LaunchError> {
    let mut builder = DirBuilder::new();
    // The environment in `spec.json` may have secrets in it, and the console is for the agent alone.
    builder.recursive(true).mode(0o700).create(dir.path()).map_err(LaunchError::Directory)?;
    // Under the lock, so that a supervisor from before does not meet half a directory.
    let lock = Lock::try_take(dir).map_err(LaunchError::Directory)?;
    let _lock = lock.ok_or(LaunchError::AlreadyLaunched)?;
    if dir.file(SPEC).try_exists().map_err(LaunchError::Directory)? {
        return Err(LaunchError::AlreadyLaunched);
    }
    let prepared = make_fifo(dir, CONSOLE)
        .and_then(|()| make_fifo(dir, ALIVE))
        .and_then(|()| dir.reserve_ending())
        .and_then(|()| fs::write(dir.file(LINES), lines_text(0)))
        .and_then(|()| put_json(&dir.file(SPEC), spec));
    prepared.map_err(LaunchError::Directory)
}

fn make_fifo(dir: &RunDir, name: &str) -> io::Result<()> {
    match nix::unistd::mkfifo(&dir.file(name), Mode::S_IRUSR | Mode::S_IWUSR) {
        Err(Errno::EEXIST) => Ok(()),
        made => Ok(made?),
    }
}

async fn start(supervisor: &Supervisor, dir: &RunDir) -> Result<Process, LaunchError> {
    // Until the supervisor has its end, this is the other end of `alive`.
    let both = OpenOptions::new().read(true).write(true).open(dir.file(ALIVE));
    let both = both.map_err(LaunchError::Directory)?;
    let no_other_end = || io::Error::other("the FIFO `alive` has no other end");
    let mut alive = Alive::open(dir)
        .and_then(|alive| alive.ok_or_else(no_other_end))
        .map_err(LaunchError::Directory)?;
    let mut child = spawn(supervisor, dir)?;
    let Ok(status) = timeout(STARTING, word(&mut alive, &mut child)).await else {
        // An error says that it has ended by itself; what it left is found as after any end.
        drop(child.start_kill());
        drop(timeout(DYING, child.wait()).await);
        return Err(LaunchError::Hung { waited: STARTING, log: log(dir) });
    };
    let status = status.map_err(LaunchError::Directory)?;
    drop(both);
    let started = read_json(&dir.file(STARTED)).map_err(LaunchError::Directory)?;
    match (started, status) {
        (Some(started), status) => {
            if status.is_none() {
                // Its end is learnt from `alive`; this only keeps it from staying as a zombie.
                tokio::spawn(async move { child.wait().await });
            }
            // It ran, even if it has ended already: that is learnt as any end is.
            Ok(Process::new(dir.clone(), started, alive))
        }
        (None, Some(status)) => Err(LaunchError::Supervisor { status, log: log(dir) }),
        (None, None) => Err(LaunchError::Directory(io::ErrorKind::NotFound.into())),
    }
}

/// Waits until the supervisor says that the process runs, or for its exit status.
async fn word(alive: &mut Alive, child: &mut Child) -> io::Result<Option<ExitStatus>> {
    tokio::select! {
        news = alive.next() => match news {
            News::Runs => Ok(None),
            News::Gone => child.wait().await.map(Some),
        },
        status = child.wait() => status.map(Some),
    }
}

fn spawn(supervisor: &Supervisor, dir: &RunDir) -> Result<Child, LaunchError> {
    let mut words = supervisor.command.iter();
    let program = words.next().cloned().unwrap_or_default();
    // No process group of its own: who leads one cannot begin a session, which is its first step and takes it
    // out of reach of the terminal.
    let mut command = Command::new(&program);
    command.args(words).arg(dir.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    own_settings::hide(&mut command);
    command.spawn().map_err(|source| LaunchError::Spawn { command: program, source })
}

fn log(dir: &RunDir) -> String {
    let log = fs::read_to_string(dir.file(SUPERVISOR_LOG)).unwrap_or_default();
    log.lines().last().unwrap_or("it said nothing").to_owned()
}
