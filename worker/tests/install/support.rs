//! A SteamCMD that does what a test says, in a directory that is gone afterwards.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use worker::install::{InstallError, Progress, Steamcmd};

pub const APP: i32 = 740;

/// Where the transcripts are, and the script that plays them.
pub fn transcripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// An install directory with a plan: what the SteamCMD that installs there does, in shell. `$call` is
/// the number of the call, `$directory` the install directory.
pub struct Planned {
    pub directory: TempDir,
    pub steamcmd: Steamcmd,
}

impl Planned {
    pub fn new(plan: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("plan"), plan).unwrap();
        let steamcmd = Steamcmd {
            executable: transcripts().join("fake-steamcmd.sh"),
            timeout: Duration::from_secs(60),
            attempts: 3,
            backoff: Duration::from_millis(1),
        };
        Self { directory, steamcmd }
    }

    /// A file in the install directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Installs, and returns the progress on the way too.
    pub async fn install(&self, app_id: i32) -> (Vec<Progress>, Result<(), InstallError>) {
        let mut progress = Vec::new();
        let mut on_progress = |news| progress.push(news);
        let directory = self.directory.path();
        let cancel = CancellationToken::new();
        let result = self.steamcmd.install(app_id, directory, &mut on_progress, &cancel).await;
        (progress, result)
    }

    /// The arguments of each call, with `DIR` for the install directory.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.file("calls")).unwrap_or_default();
        let directory = self.directory.path().to_str().unwrap();
        calls.lines().map(|call| call.replace(directory, "DIR")).collect()
    }
}

/// Fails a test that would hang.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let soon = tokio::time::timeout(Duration::from_secs(30), future).await;
    soon.unwrap_or_else(|_| panic!("waited 30 s: {what}"))
}

/// What is read from a FIFO once a process has opened it, until no process has it open any more.
pub fn until_closed(fifo: &Path) -> impl Future<Output = String> + use<> {
    nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fifo = fifo.to_owned();
    let read = tokio::task::spawn_blocking(move || fs::read_to_string(fifo).unwrap());
    async move { soon("every process is gone", read).await.unwrap() }
}
