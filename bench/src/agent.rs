//! The agent as a process of its own, and the game servers it starts, which would outlive it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::Child;
use tokio::time::timeout;

use crate::process;
use crate::roles::manman;
use crate::settings::Settings;

/// How long an agent may take to stop all its game servers.
const ORDERLY_END: Duration = Duration::from_secs(60);

/// A running agent. When it is dropped it is killed, and so are its game servers; its files are removed.
pub struct Agent {
    child: Child,
    pid: i32,
    directory: PathBuf,
}

/// What a run of a game server left in its directory, as far as it is of interest here.
#[derive(Debug, Clone)]
pub struct Run {
    /// The directory.
    pub directory: PathBuf,
    /// How it started.
    pub started: Started,
    /// How it ended; `None` while it runs.
    pub ending: Option<Ending>,
}

/// `started.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Started {
    /// The game server's process, leader of its process group.
    pub pid: i32,
    /// Its supervisor's.
    pub supervisor_pid: i32,
    /// When the process was there.
    pub at: DateTime<Utc>,
    start_time: Option<u64>,
}

/// `ending.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Ending {
    /// When the process ended.
    pub at: DateTime<Utc>,
    /// In the agent's words.
    pub how: serde_json::Value,
}

impl Agent {
    /// Starts one for the Worker DAL API at this address, in a new directory.
    pub fn start(
        settings: &Settings,
        worker_dal: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let name = format!("manman-bench-{}", uuid::Uuid::now_v7().simple());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory)?;
        let mut command = manman(settings)?;
        // What is measured is an agent with its defaults, whatever this program was started with.
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("MANMAN_WORKER_")) {
            command.env_remove(name);
        }
        let child = command
            .arg("start-worker")
            .env("MANMAN_HOST_URL", format!("http://{worker_dal}"))
            .env("MANMAN_WORKER_NAME", "bench")
            .env("MANMAN_WORKER_INSTALL_DIRECTORY", &directory)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .spawn()?;
        let pid = child.id().context("the agent has no process id")?.cast_signed();
        Ok(Self { child, pid, directory })
    }

    /// Its process id.
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// All runs whose process was started.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let runs = self.directory.join(".manman/runs");
        let mut found = Vec::new();
        for entry in fs::read_dir(runs)? {
            let directory = entry?.path();
            if let Some(started) = read(&directory.join("started.json")) {
                let ending = read(&directory.join("ending.json"));
                found.push(Run { directory, started, ending });
            }
        }
        Ok(found)
    }

    /// Has it stop its game servers and end, and waits for that.
    pub async fn end(mut self) -> Result<()> {
        kill(Pid::from_raw(self.pid), Signal::SIGINT)?;
        let status = timeout(ORDERLY_END, self.child.wait()).await;
        let status = status.context("the agent has not ended in time")??;
        if !status.success() {
            bail!("the agent ended with {status}");
        }
        Ok(())
    }

    /// Kills what runs. Game servers that are just being started are waited for.
    fn kill_all(&mut self) {
        drop(self.child.start_kill());
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.is_anything_left() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_anything_left(&mut self) -> bool {
        let is_alive = matches!(self.child.try_wait(), Ok(None));
        let runs = self.runs().unwrap_or_default();
        let running = runs.iter().filter(|run| run.is_running()).count();
        for run in runs.iter().filter(|run| run.is_running()) {
            // Its supervisor writes down how it ended, and ends.
            let _ = killpg(Pid::from_raw(run.started.pid), Signal::SIGKILL);
        }
        is_alive || running > 0 || self.is_launching()
    }

    /// Whether a supervisor may be there that has yet to say what it started. Where it died, waiting is in vain.
    fn is_launching(&self) -> bool {
        let Ok(runs) = fs::read_dir(self.directory.join(".manman/runs")) else { return false };
        runs.flatten().map(|entry| entry.path()).any(|run| {
            let has = |name: &str| run.join(name).exists();
            let is_over = read::<Ending>(&run.join("ending.json")).is_some();
            has("spec.json") && !has("started.json") && !is_over
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill_all();
        drop(fs::remove_dir_all(&self.directory));
    }
}

impl Run {
    /// Whether the process that was started still runs, and is no other with its number.
    pub fn is_running(&self) -> bool {
        self.ending.is_none()
            && process::start_time(self.started.pid).ok() == self.started.start_time
    }
}

/// What is not there, or not whole, is not there yet.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
