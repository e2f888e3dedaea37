//! From a config to a process: install, checks, launch.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use messaging::contract::{Progress, StatusDetail, StatusType};
use tokio_util::sync::CancellationToken;

use super::host::Host;
use super::record::RunRecord;
use crate::api::{ServerConfig, ServerType};
use crate::install::{self, InstallError};
use crate::process::{LaunchError, Launched, Process};
use crate::reports::{Lane, Report};
use crate::run_dir::LaunchSpec;

/// A change of less than this is told at most every [`SOME_PROGRESS`].
const MUCH_PROGRESS: u8 = 10;
/// How often a small step is told: progress is an event on the log.
const SOME_PROGRESS: Duration = Duration::from_secs(5);
/// The least time between two, whatever happens.
const LEAST_PAUSE: Duration = Duration::from_millis(500);

/// Why a run never ran.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("{0}")]
    Install(#[from] InstallError),
    #[error("{0}")]
    Launch(#[from] LaunchError),
}

/// Installs what a run needs and finds out what to start; everything that can be wrong with a config is found here.
pub(super) async fn install(
    host: &Host,
    record: &RunRecord,
    cancel: &CancellationToken,
) -> Result<LaunchSpec, PrepareError> {
    let config = &record.config;
    let directory = directory(host, config);
    // Before the download, which may take an hour: this needs no download.
    let env = install::environment(&config.env_var, &directory)?;
    if record.installed {
        tracing::debug!(run = %record.run_id, "installed before this restart");
    } else {
        match config.server_type {
            ServerType::Steam => {
                let mut teller = ProgressTeller::new(host, record);
                let mut tell = |progress| teller.tell(progress);
                let steamcmd = &host.config().steamcmd;
                steamcmd.install(config.app_id, &directory, &mut tell, cancel).await?;
            }
            ServerType::Local => install::create_directory(&directory)?,
        }
        let timeout = host.config().steamcmd.timeout;
        install::run_commands(&config.post_install_commands, &directory, timeout, cancel).await?;
    }
    Ok(LaunchSpec {
        executable: install::executable(&directory, config.server_type, &config.executable)?,
        args: config.args.clone(),
        env,
        directory,
        output: host.config().output,
    })
}

/// Starts what was installed.
pub(super) async fn launch(
    host: &Host,
    record: &RunRecord,
    spec: &LaunchSpec,
) -> Result<Launched, PrepareError> {
    Ok(Process::launch(&host.config().supervisor, &record.dir(&host.runs), spec).await?)
}

fn directory(host: &Host, config: &ServerConfig) -> PathBuf {
    install::directory(
        &host.config().install_directory,
        config.server_type,
        config.app_id,
        config.game_server_config_id,
        &config.game_server_name,
    )
}

/// Tells as much of an install's progress as people want to read.
struct ProgressTeller<'a> {
    host: &'a Host,
    record: &'a RunRecord,
    last: Option<(install::Progress, Instant)>,
}

impl<'a> ProgressTeller<'a> {
    const fn new(host: &'a Host, record: &'a RunRecord) -> Self {
        Self { host, record, last: None }
    }

    fn tell(&mut self, progress: install::Progress) {
        let now = Instant::now();
        let is_news = self.last.as_ref().is_none_or(|(last, at)| {
            let age = now.duration_since(*at);
            let step = progress.percent.unwrap_or(0).abs_diff(last.percent.unwrap_or(0));
            progress.phase != last.phase
                || (step >= MUCH_PROGRESS && age >= LEAST_PAUSE)
                || (step > 0 && age >= SOME_PROGRESS)
        });
        if !is_news {
            return;
        }
        let detail = StatusDetail {
            progress: Some(Progress {
                phase: progress.phase.as_str().to_owned(),
                percent: progress.percent,
                bytes_done: progress.bytes_done,
                bytes_total: progress.bytes_total,
            }),
            ..StatusDetail::default()
        };
        let report = Report::InstanceStatus {
            run_id: self.record.told_as,
            status: StatusType::Initializing,
            detail: Some(detail),
        };
        let lane = Lane::Config(self.record.config.game_server_config_id);
        self.host.reports().push(self.record.worker_id, lane, report);
        self.last = Some((progress, now));
    }
}
