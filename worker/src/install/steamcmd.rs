//! Running SteamCMD until an app is installed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::child::{self, Ran};
use super::error::InstallError;
use super::lock::InstallLock;
use super::output::Output;
use super::paths::create_directory;
use super::progress::{Phase, Progress};

/// The platform whose files a game server needs.
const PLATFORM: [&str; 1] = ["linux"];
/// Apps that need the files of several platforms, one over the other in this order. Left 4 Dead 2's
/// linux server lacks files that only its windows server has.
const PLATFORMS_OF_APPS: [(i32, &[&str]); 1] = [(222_860, &["windows", "linux"])];

/// How often a SteamCMD that only updated itself is run again without counting that as a failure.
const SELF_UPDATES: u32 = 2;

/// SteamCMD on this host, and how patient one is with it.
#[derive(Debug, Clone)]
pub struct Steamcmd {
    /// Its path, or a name that is looked up in the PATH.
    pub executable: PathBuf,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often it is tried, per platform.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub backoff: Duration,
}

impl Steamcmd {
    /// Installs an app into a directory, or updates what is there. SteamCMD writes its output in blocks
    /// when nobody sits at a terminal, so progress comes in bursts.
    ///
    /// # Errors
    /// The last attempt's, or the first that is not worth another.
    pub async fn install(
        &self,
        app_id: i32,
        directory: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<(), InstallError> {
        create_directory(directory)?;
        let lock = InstallLock::take(directory, self.timeout, cancel).await?;
        let own = PLATFORMS_OF_APPS.iter().find(|(app, _)| *app == app_id);
        for platform in own.map_or(&PLATFORM[..], |(_, platforms)| platforms) {
            let job = Job { steamcmd: self, lock: &lock, app_id, directory, platform };
            job.finish(progress, cancel).await?;
        }
        Ok(())
    }
}

/// One app for one platform.
#[derive(Clone, Copy)]
struct Job<'a> {
    steamcmd: &'a Steamcmd,
    lock: &'a InstallLock,
    app_id: i32,
    directory: &'a Path,
    platform: &'a str,
}

impl Job<'_> {
    /// Tries until it is done or there is no sense in trying on.
    async fn finish(
        self,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<(), InstallError> {
        let (mut failures, mut self_updates) = (0, 0);
        loop {
            let Err(error) = self.attempt(progress, cancel).await else { return Ok(()) };
            if matches!(error, InstallError::OnlyUpdatedItself) && self_updates < SELF_UPDATES {
                self_updates += 1;
                continue;
            }
            failures += 1;
            if failures >= self.steamcmd.attempts || !error.is_worth_retrying() {
                return Err(error);
            }
            let wait = self.steamcmd.backoff.saturating_mul(2_u32.saturating_pow(failures - 1));
            tracing::warn!(app_id = self.app_id, failures, ?wait, %error, "an install is tried again");
            progress(Progress::of(Phase::Retrying));
            tokio::select! {
                () = cancel.cancelled() => return Err(InstallError::Cancelled),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Runs SteamCMD once.
    async fn attempt(
        self,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<(), InstallError> {
        let Self { steamcmd: Steamcmd { executable, timeout, .. }, app_id, .. } = self;
        let mut output = Output::new(app_id, self.directory);
        let mut on_line = |line: &str| {
            tracing::debug!(app_id, line, "steamcmd");
            if let Some(news) = output.line(line) {
                progress(news);
            }
        };
        let ran = match self.lock.stdin() {
            Ok(stdin) => child::run(self.command(), stdin, *timeout, cancel, &mut on_line).await,
            Err(reason) => Err(reason),
        };
        match ran {
            Ok(Ran::Exited(status)) => output.conclude(status),
            Ok(Ran::Cancelled) => Err(InstallError::Cancelled),
            Ok(Ran::TimedOut) => {
                Err(InstallError::TimedOut { what: "steamcmd".to_owned(), after: *timeout })
            }
            Err(reason) => {
                let path = executable.clone();
                Err(match reason.kind() {
                    ErrorKind::NotFound => InstallError::SteamcmdMissing { path },
                    ErrorKind::PermissionDenied => InstallError::NotExecutable { path },
                    _ => InstallError::SteamcmdNotStarted { path, reason },
                })
            }
        }
    }

    /// The arguments are v1's, in its order: the directory must be known before the login.
    fn command(self) -> Command {
        let mut command = Command::new(&self.steamcmd.executable);
        command.args(["+@sSteamCmdForcePlatformType", self.platform]);
        command.arg("+force_install_dir").arg(self.directory);
        command.args(["+login", "anonymous", "+app_update"]).arg(self.app_id.to_string());
        command.arg("+exit");
        command
    }
}
