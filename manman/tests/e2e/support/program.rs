//! The executable as a process.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{found, soon};

/// All that a process knows of its surroundings.
pub type Environment = Vec<(&'static str, String)>;

/// How much of a process's output a failed test shows.
const LAST_WORDS: usize = 60;

/// A running process; killed when dropped.
pub struct Program {
    child: Child,
    name: String,
    said: Arc<Mutex<Vec<String>>>,
    listening: [JoinHandle<()>; 2],
}

impl Program {
    pub fn start(arguments: &[&str], environment: &Environment) -> Self {
        let mut child = command(arguments, environment).spawn().unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let listening = [
            listen(child.stdout.take().unwrap(), Arc::clone(&said)),
            listen(child.stderr.take().unwrap(), Arc::clone(&said)),
        ];
        Self { child, name: arguments.join(" "), said, listening }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process lives")
    }

    /// Every line it has printed so far, on either stream.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it prints a line that begins so.
    pub async fn says(&mut self, words: &str) {
        let name = self.name.clone();
        found(&format!("{name} says {words}"), async || {
            assert!(self.child.try_wait().unwrap().is_none(), "{name} ended");
            self.said().iter().any(|line| line.starts_with(words)).then_some(())
        })
        .await;
    }

    /// Sends a signal: `TERM`, `INT`.
    pub async fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let killed = Command::new("kill").args(["-s", signal, &id]).status().await.unwrap();
        assert!(killed.success());
    }

    /// Waits for its end.
    pub async fn ends(mut self) -> ExitStatus {
        let status = soon(&format!("{} ends", self.name), self.child.wait()).await.unwrap();
        for listening in &mut self.listening {
            listening.await.unwrap();
        }
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Ok(said) = self.said.lock() {
            let last = &said[said.len().saturating_sub(LAST_WORDS)..];
            eprintln!("--- {}\n{}", self.name, last.join("\n"));
        }
    }
}

/// What a process came to.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// What it printed; it must have succeeded.
    pub fn done(self) -> String {
        assert!(self.status.success(), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it complained about, in one line; it must have failed.
    pub fn refused(self) -> String {
        assert_eq!(self.status.code(), Some(1), "{}\n{}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Runs the executable to its end.
pub async fn run(arguments: &[&str], environment: &Environment) -> Finished {
    let running = command(arguments, environment).output();
    let output = soon(&arguments.join(" "), running).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn command(arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manman"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn listen(
    stream: impl AsyncRead + Send + Unpin + 'static,
    said: Arc<Mutex<Vec<String>>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            said.lock().unwrap().push(line);
        }
    })
}
