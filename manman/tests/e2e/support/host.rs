//! A game host: an agent in directories of its own, and what it runs. Looks at processes as Linux shows them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use uuid::Uuid;

use super::{Api, Broker, Environment, Program, System, eventually, run};

/// Everything it started is killed when it is dropped.
pub struct Host {
    /// Holds the agent's directories and whatever a test puts there; removed in the end.
    pub directory: PathBuf,
    environment: Environment,
    agent: Option<Program>,
}

/// A game server's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Running {
    /// The config it is of, by the directory it runs in.
    pub config_id: i32,
    pub pid: i32,
}

impl Host {
    /// A host on which nothing runs yet, no agent either.
    pub fn new(system: &System, name: &str) -> Self {
        Self::beside(&system.dal, &system.broker, name)
    }

    /// The same, for a system of another shape.
    pub fn beside(dal: &Api, broker: &Broker, name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("manman-host-{}", Uuid::now_v7().simple()));
        fs::create_dir_all(&directory).unwrap();
        let mut environment = super::broker_environment(broker);
        environment.extend([
            ("MANMAN_HOST_URL", format!("http://127.0.0.1:{}", dal.port)),
            ("MANMAN_WORKER_NAME", name.to_owned()),
            ("MANMAN_WORKER_INSTALL_DIRECTORY", text(&directory.join("games"))),
            ("MANMAN_WORKER_STATE_DIRECTORY", text(&directory.join("state"))),
            ("STEAMCMD_EXECUTABLE", text(&demo("demo-steamcmd"))),
            // Game servers may be scripts.
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ]);
        Self { directory, environment, agent: None }
    }

    /// A host whose agent has registered.
    pub async fn start(system: &System, name: &str) -> Self {
        let mut host = Self::new(system, name);
        host.register().await;
        host
    }

    /// Starts its first agent and waits until that has registered.
    pub async fn register(&mut self) {
        self.start_agent();
        eventually("the agent is registered", async || self.worker_id().is_some()).await;
    }

    /// Starts the agent, the next one in the same directories if there was one.
    pub fn start_agent(&mut self) {
        assert!(self.agent.is_none(), "one at a time");
        self.agent = Some(Program::start(&["start-worker"], &self.environment));
    }

    /// Starts one agent more, which must not want to work; returns what it says.
    pub async fn agent_is_refused(&self) -> String {
        run(&["start-worker"], &self.environment).await.refused()
    }

    /// As an upgrade gone wrong ends it. Its game servers run on.
    pub async fn kill9_agent(&mut self) {
        let agent = self.take_agent();
        agent.signal("KILL").await;
        agent.ends().await;
    }

    /// The running agent.
    pub fn agent(&self) -> &Program {
        self.agent.as_ref().expect("the agent runs")
    }

    /// Hands the running agent over.
    pub fn take_agent(&mut self) -> Program {
        self.agent.take().expect("the agent runs")
    }

    /// A setting for the agents that are started from here on.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.push((name, value.into()));
    }

    /// Puts a script there that can be executed.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The worker that the agent is, as it remembers it; none before it registered.
    pub fn worker_id(&self) -> Option<i32> {
        let text = fs::read(self.state("agent.json")).ok()?;
        let known: Value = serde_json::from_slice(&text).ok()?;
        i32::try_from(known["worker_id"].as_i64()?).ok()
    }

    /// Where the agent remembers something.
    pub fn state(&self, name: &str) -> PathBuf {
        self.directory.join("state").join(name)
    }

    /// What the agent has not told yet, and what it was not allowed to tell.
    pub fn untold(&self) -> Vec<PathBuf> {
        let files = |directory: &Path| {
            let entries = fs::read_dir(directory).into_iter().flatten();
            entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let spool = self.state("spool");
        let is_report = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            name.bytes().all(|byte| byte.is_ascii_digit())
        };
        let mut untold = files(&spool);
        untold.retain(is_report);
        untold.extend(files(&spool.join("rejected")));
        untold.extend(files(&spool.join("unreadable")));
        untold
    }

    /// What was chatted on its game servers, as far as output is kept.
    pub fn chats(&self) -> Vec<String> {
        let runs = fs::read_dir(self.state("runs")).unwrap();
        let output = |run: fs::DirEntry| {
            fs::read_to_string(run.path().join("output.log")).unwrap_or_default()
        };
        let outputs = runs.map(|run| output(run.unwrap()));
        outputs
            .flat_map(|output| output.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.contains("[chat]"))
            .collect()
    }

    /// The `local` game servers that run, whatever the agent knows of them: the leader of each process group in a
    /// config's directory. In order.
    pub fn running(&self) -> Vec<Running> {
        let directory = self.directory.join("games/local");
        let mut running: Vec<_> = pids()
            .filter_map(|pid| {
                let config_id = config_of(pid, &directory)?;
                is_a_game(pid).then_some(Running { config_id, pid })
            })
            .collect();
        running.sort_unstable();
        running
    }

    /// The process ids of a config's game servers: none or one, if all is well.
    pub fn pids_of(&self, config_id: i32) -> Vec<i32> {
        let of_config = self.running().into_iter().filter(|game| game.config_id == config_id);
        of_config.map(|game| game.pid).collect()
    }

    /// Every process that was started here, except the agent: whoever is in this host's directory or has it on its
    /// command line, and whoever is in such a one's session.
    pub fn processes(&self) -> Vec<i32> {
        let is_of_here = |pid: &i32| {
            let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            directory.starts_with(&self.directory)
                || String::from_utf8_lossy(&line).contains(&text(&self.directory))
        };
        let of_here: Vec<_> = pids().filter(is_of_here).collect();
        let is_theirs = |pid: &i32| {
            let session = field(*pid, Stat::Session);
            of_here.contains(pid) || session.is_some_and(|session| of_here.contains(&session))
        };
        pids().filter(is_theirs).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // First the agent, which might start more.
        drop(self.agent.take());
        loop {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            kill9(&left);
        }
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// A program that the demo brings along.
pub fn demo(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_manman")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build -p demo`", path.display());
    path
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The config in whose directory below this one a process is, `<config id>-<name>`.
fn config_of(pid: i32, directory: &Path) -> Option<i32> {
    let own = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let name = own.strip_prefix(directory).ok()?.to_str()?;
    name.split('-').next()?.parse().ok()
}

/// The leader of a process group, and no longer the supervisor's copy that becomes one.
fn is_a_game(pid: i32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    field(pid, Stat::Group) == Some(pid)
        && program.is_ok_and(|program| program != Path::new(env!("CARGO_BIN_EXE_manman")))
}

/// Fields of `/proc/<pid>/stat`, counted from the one after the name.
#[derive(Clone, Copy)]
enum Stat {
    Group = 2,
    Session = 3,
}

/// Nothing of a process that has ended.
fn field(pid: i32, which: Stat) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_dead = matches!(fields.clone().next()?, "Z" | "X");
    fields.nth(which as usize)?.parse().ok().filter(|_| !is_dead)
}

fn kill9(pids: &[i32]) {
    let pids = pids.iter().map(ToString::to_string);
    // Who has ended by now is an error that does not matter.
    drop(Command::new("kill").arg("-KILL").args(pids).stderr(std::process::Stdio::null()).status());
}
