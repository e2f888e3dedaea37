//! A supervisor's life, and with it the game server's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use chrono::Utc;
use nix::errno::Errno;
use nix::unistd::{getpid, getsid, setsid};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::capture::Capture;
use super::game::Game;
use super::lock::Lock;
use crate::files::{put_json, read_json};
use crate::run_dir::{
    ALIVE, Ending, HowEnded, LaunchSpec, RunDir, SPEC, STARTED, SUPERVISOR_LOG, Started,
};

/// How long after its end a process's output is waited for: longer only if somebody who left its process
/// group holds on to it.
const DRAIN: Duration = Duration::from_secs(1);
/// What is written to `alive` when the process runs: a byte for everyone who may be waiting for it.
const RUNS: [u8; 16] = [b'\n'; 16];

/// Starts the game server of this run directory and stays until it has ended: a whole process's work.
///
/// Standard input, output and error are expected to be `/dev/null`. What goes wrong for the supervisor itself
/// is written to `supervisor.log`; what goes wrong for the game server is its ending.
#[must_use]
pub fn run(dir: &Path) -> ExitCode {
    let dir = RunDir::at(dir.to_path_buf());
    match supervise(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            note(&dir, &problem.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Why a supervisor could not do its work.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("no session of its own: {0}; a supervisor must not be the leader of a process group")]
    Session(Errno),
    #[error("{file}: {source}")]
    File { file: &'static str, source: io::Error },
}

impl Problem {
    fn with(file: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { file, source }
    }
}

fn supervise(dir: &RunDir) -> Result<(), Problem> {
    leave_session()?;
    // Before the lock: who finds the lock taken must be able to wait for the end of `alive`. Held to the end
    // of this process, whatever ends it; the system then lets the agent know.
    let alive = fifo(dir, ALIVE)?;
    let Some(mut lock) = Lock::try_take(dir).map_err(Problem::with(crate::run_dir::LOCK))? else {
        return Ok(());
    };
    // An agent that came back may have given up on this launch and made another.
    let Some(spec) = not_yet_done(dir).map_err(Problem::with(SPEC))? else {
        return Ok(());
    };
    lock.sign().map_err(Problem::with(crate::run_dir::LOCK))?;
    let ending = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(oversee(dir, &spec, &alive)),
        Err(error) => not_started(format!("the supervisor has no runtime: {error}")),
    };
    dir.write_ending(&ending).map_err(Problem::with(crate::run_dir::ENDING))
}

/// Leaves the agent's terminal and its process group. Nothing needs to be left when this process was started as
/// the leader of a session.
fn leave_session() -> Result<(), Problem> {
    match setsid() {
        Err(_) if getsid(None) == Ok(getpid()) => Ok(()),
        left => left.map(drop).map_err(Problem::Session),
    }
}

/// What is to be started, unless that was done or is no longer wanted.
fn not_yet_done(dir: &RunDir) -> io::Result<Option<LaunchSpec>> {
    if dir.file(STARTED).try_exists()? || dir.ending()?.is_some() {
        return Ok(None);
    }
    read_json(&dir.file(SPEC))
}

/// A process's life, from its start to its end.
async fn oversee(dir: &RunDir, spec: &LaunchSpec, alive: &File) -> Ending {
    if let Err(error) = outlive_signals() {
        return not_started(format!("the supervisor cannot handle signals: {error}"));
    }
    let (mut game, output) = match Game::start(dir, spec) {
        Ok(started) => started,
        Err(reason) => return not_started(reason),
    };
    if let Err(error) = announce(dir, &game, alive) {
        // An agent that cannot know of the process could neither stop it nor keep from starting another.
        game.kill_group();
        drop(game.wait().await);
        return not_started(format!("that it runs could not be written down: {error}"));
    }
    let mut capture = Capture::new(dir, spec.output, output);
    let status = loop {
        tokio::select! {
            status = game.wait() => break status,
            () = capture.some() => {}
        }
    };
    let at = Utc::now();
    game.kill_group();
    let drained = async {
        while !capture.is_over() {
            capture.some().await;
        }
    };
    // Of no consequence: whoever prints still is not of this process's group.
    drop(timeout(DRAIN, drained).await);
    let how = status.map_or_else(
        |error| HowEnded::Unknown { reason: format!("its exit status could not be read: {error}") },
        how_ended,
    );
    Ending { how, at, last_lines: capture.finish() }
}

/// Only the game server's end ends its supervisor: leaving earlier would lose the exit status, and with it what
/// is reported. On a host that shuts down, the game server gets the same signal.
///
/// Handled, not ignored: what is ignored would be ignored in the game server too. SIGXFSZ is what a file size
/// limit sends; the write's own error is enough.
fn outlive_signals() -> io::Result<()> {
    let kinds = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
        SignalKind::quit(),
    ];
    let file_size = SignalKind::from_raw(nix::libc::SIGXFSZ);
    kinds.into_iter().chain([file_size]).try_for_each(|kind| signal(kind).map(drop))
}

/// Tells that the process runs.
fn announce(dir: &RunDir, game: &Game, mut alive: &File) -> io::Result<()> {
    let started = Started {
        pid: game.pid(),
        start_time: game.start_time(),
        supervisor_pid: std::process::id(),
        at: Utc::now(),
    };
    put_json(&dir.file(STARTED), &started)?;
    alive.write_all(&RUNS)
}

fn how_ended(status: ExitStatus) -> HowEnded {
    match (status.code(), status.signal()) {
        (Some(code), _) => HowEnded::Exited { code },
        (None, Some(signal)) => HowEnded::Signalled { signal },
        (None, None) => HowEnded::Unknown { reason: format!("it ended: {status}") },
    }
}

fn not_started(reason: String) -> Ending {
    Ending { how: HowEnded::NotStarted { reason }, at: Utc::now(), last_lines: Vec::new() }
}

/// One of the directory's FIFOs, from both ends: it opens at once and never comes to its end.
fn fifo(dir: &RunDir, name: &'static str) -> Result<File, Problem> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(dir.file(name)).map_err(Problem::with(name))
}

/// Best effort: there is nobody else to tell.
fn note(dir: &RunDir, problem: &str) {
    let mut options = OpenOptions::new();
    let log = options.append(true).create(true).open(dir.file(SUPERVISOR_LOG));
    drop(log.and_then(|mut log| writeln!(log, "{} {problem}", Utc::now().to_rfc3339())));
}
