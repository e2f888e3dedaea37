//! A run directory, a shell script as its game server, and waiting for what it does.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use worker::process::{Attached, Launched, Process, Supervisor};
use worker::run_dir::{Ending, HowEnded, LaunchSpec, OutputLimits, RunDir, Started};

/// Longer than anything here takes on a busy machine; only a failing test gets that far.
const DEADLINE: Duration = Duration::from_secs(30);

/// The program that is nothing but a supervisor.
pub const SUPERVISE: &str = env!("CARGO_BIN_EXE_supervise");

/// A run directory of a test, in a directory where the test's game server works.
pub struct Run {
    directory: TempDir,
    pub dir: RunDir,
}

impl Run {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = RunDir::at(directory.path().join("run"));
        Self { directory, dir }
    }

    /// A file in the game server's working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A shell script as the game server.
    pub fn script(&self, script: &str) -> LaunchSpec {
        LaunchSpec {
            executable: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: Vec::new(),
            directory: self.directory.path().to_path_buf(),
            output: OutputLimits::default(),
        }
    }

    pub async fn launch(&self, spec: &LaunchSpec) -> Launched {
        let supervisor = supervisor();
        let launch = Process::launch(&supervisor, &self.dir, spec);
        soon("the launch", launch).await.unwrap()
    }

    /// Starts a script that runs until something makes it end.
    pub async fn start(&self, script: &str) -> Process {
        running(self.launch(&self.script(script)).await)
    }

    /// Starts a script and waits for its end.
    pub async fn end(&self, script: &str) -> Ending {
        self.end_of(&self.script(script)).await
    }

    pub async fn end_of(&self, spec: &LaunchSpec) -> Ending {
        match self.launch(spec).await {
            Launched::Running(mut process) => soon("the end", process.ended()).await,
            Launched::Ended(ending) => ending,
        }
    }

    pub async fn attach(&self) -> Attached {
        soon("attaching", Process::attach(&self.dir)).await.unwrap()
    }

    pub fn log(&self) -> String {
        match fs::read(self.dir.file("output.log")) {
            Ok(text) => String::from_utf8(text).unwrap(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// A process id that the game server has written to a file.
    pub async fn pid_in(&self, name: &str) -> i32 {
        let read = || fs::read_to_string(self.path(name)).ok()?.trim().parse().ok();
        eventually("a process id in a file", read).await
    }

    fn started(&self) -> Option<Started> {
        serde_json::from_slice(&fs::read(self.dir.file("started.json")).ok()?).ok()
    }
}

impl Drop for Run {
    /// A failed test leaves nothing running.
    fn drop(&mut self) {
        if let Some(started) = self.started()
            && start_time(started.pid) == started.start_time
        {
            let _ = killpg(Pid::from_raw(started.pid), Signal::SIGKILL);
            // Its supervisor still writes to the directory that is about to be removed.
            let deadline = Instant::now() + DEADLINE;
            while is_running(started.supervisor_pid.cast_signed()) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

pub fn supervisor() -> Supervisor {
    Supervisor { command: vec![SUPERVISE.into()] }
}

pub fn running(launched: Launched) -> Process {
    match launched {
        Launched::Running(process) => process,
        Launched::Ended(ending) => panic!("it has ended: {ending:?}"),
    }
}

pub fn still_running(attached: Attached) -> Process {
    match attached {
        Attached::Running(process) => process,
        other => panic!("it does not run: {other:?}"),
    }
}

pub fn exited(code: i32) -> HowEnded {
    HowEnded::Exited { code }
}

/// Awaits what must happen, and says what did not.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(DEADLINE, happens).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Waits until there is something.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, found).await
}

/// Waits until the process has printed this line.
pub async fn printed(process: &Process, line: &str) {
    let what = format!("the line {line:?}");
    let look = || process.tail().lines.iter().any(|printed| printed == line).then_some(());
    eventually(&what, look).await;
}

pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

pub fn supervisor_of(process: &Process) -> i32 {
    process.started().supervisor_pid.cast_signed()
}

/// The fields of `/proc/<pid>/stat` after the name, from the state on.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn start_time(pid: i32) -> Option<u64> {
    stat(pid)?[19].parse().ok()
}

pub fn session(pid: i32) -> Option<i32> {
    stat(pid)?[3].parse().ok()
}

/// Whether it is there at all, even if it only waits for its parent to take notice.
pub fn exists(pid: i32) -> bool {
    stat(pid).is_some()
}

pub fn is_running(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

pub async fn not_running(pid: i32) {
    eventually("the end of a process", || (!is_running(pid)).then_some(())).await;
}
