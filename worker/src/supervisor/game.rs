//! Starting the process, with its console.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::explain::explain;
use crate::process::kernel;
use crate::run_dir::{CONSOLE, LaunchSpec, RunDir};

/// A game server's process, leader of a process group of its own.
pub(super) struct Game {
    child: Child,
    pid: i32,
    start_time: Option<u64>,
    /// The console's end for writing, so that the process never reads its end of file, whoever comes and goes.
    /// Nobody but the process holds the end for reading: when it closes it, a line that is written is refused
    /// instead of lost.
    _console: File,
}

/// What the process prints: standard output and standard error.
pub(super) type Output = [pipe::Receiver; 2];

impl Game {
    /// Starts the process, or says for people why it cannot be started.
    pub(super) fn start(dir: &RunDir, spec: &LaunchSpec) -> Result<(Self, Output), String> {
        let console =
            Console::open(dir).map_err(|error| format!("its console cannot be opened: {error}"))?;
        let pipe = || output_pipe().map_err(|error| format!("no pipe for its output: {error}"));
        let ((stdout, stdout_writer), (stderr, stderr_writer)) = (pipe()?, pipe()?);
        let mut command = Command::new(&spec.executable);
        command
            .args(&spec.args)
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.directory)
            .process_group(0)
            .stdin(console.stdin)
            .stdout(stdout_writer)
            .stderr(stderr_writer);
        let child = command.spawn().map_err(|error| explain(spec, &error))?;
        let pid = child.id().ok_or("it has no process id")?.cast_signed();
        // Not reaped before `wait`, so there even if it has ended already.
        let start_time = kernel::stat(pid).map(|stat| stat.start_time);
        Ok((Self { child, pid, start_time, _console: console.writer }, [stdout, stderr]))
    }

    pub(super) const fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) const fn start_time(&self) -> Option<u64> {
        self.start_time
    }

    /// Waits until the process itself has ended; others of its group may live on.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Kills whoever is in the process's group.
    pub(super) fn kill_group(&self) {
        // An error says that there is nobody left. The number is nobody else's yet: a group keeps it as long as it
        // has members, and numbers are used again only after all others.
        let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
    }
}

fn output_pipe() -> io::Result<(pipe::Receiver, Stdio)> {
    let (reader, writer) = io::pipe()?;
    Ok((pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?, writer.into()))
}

struct Console {
    stdin: Stdio,
    writer: File,
}

impl Console {
    fn open(dir: &RunDir) -> io::Result<Self> {
        let path = dir.file(CONSOLE);
        // With both ends open in one descriptor, neither of the other two waits for the other.
        let _both = OpenOptions::new().read(true).write(true).open(&path)?;
        let stdin = File::open(&path)?.into();
        let writer = OpenOptions::new().write(true).open(&path)?;
        Ok(Self { stdin, writer })
    }
}
