//! One SteamCMD per directory, also when an agent that was killed has left one behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::InstallError;

/// Its file, empty, in the install directory.
const FILE: &str = ".manman-installing";
/// How often it is tried.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// The right to install into a directory. Each SteamCMD has it too, as its standard input: it lasts until the last of
/// them has ended, whatever became of the agent.
#[derive(Debug)]
pub(super) struct InstallLock {
    file: File,
}

impl InstallLock {
    /// Waits for it. A SteamCMD whose agent is gone ends soon: nobody reads what it prints.
    pub(super) async fn take(
        directory: &Path,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<Self, InstallError> {
        let path = directory.join(FILE);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|reason| InstallError::unwritable(path, reason))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    // Of some network file systems. Two at once are seldom, an install is not.
                    tracing::warn!(directory = %directory.display(), %error, "no lock: installing without");
                    return Ok(Self { file });
                }
            }
            if began.elapsed() >= patience {
                let what = "the install that an earlier agent began".to_owned();
                return Err(InstallError::TimedOut { what, after: patience });
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(InstallError::Cancelled),
                () = sleep(TRY_AGAIN) => {}
            }
        }
    }

    /// A copy for a SteamCMD, which reads nothing from it.
    pub(super) fn stdin(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }
}
