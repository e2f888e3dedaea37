//! What the actors of one host share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use messaging::contract::StatusType;
use tokio_util::sync::CancellationToken;

use super::record::{self, RunRecord, Stage};
use super::words;
use crate::api::Api;
use crate::config::AgentConfig;
use crate::process::{Attached, OutputTail, Process, Stop};
use crate::reports::{Lane, Report, Reports};
use crate::run_dir::RunId;

/// How many that are over are remembered for the next heartbeat.
const MOST_OVER: usize = 1_000;

/// What the actors of one host share.
pub(crate) struct Host {
    config: AgentConfig,
    api: Api,
    reports: Reports,
    /// Where all runs are.
    pub(super) runs: PathBuf,
    /// Cancelled when the agent leaves and its game servers run on.
    pub(super) leaving: CancellationToken,
    worker_id: AtomicI32,
    live: Mutex<Live>,
}

/// What heartbeats are made of.
#[derive(Default)]
struct Live {
    /// What runs, by config.
    runs: HashMap<i32, LiveRun>,
    /// What is over, and whose last words are not told yet.
    over: Vec<LiveRun>,
}

/// A game server that runs, for heartbeats.
#[derive(Debug, Clone)]
pub(crate) struct LiveRun {
    /// Its instance, as reports know it.
    pub(crate) told_as: RunId,
    /// The last of what it printed.
    pub(crate) tail: OutputTail,
}

impl Host {
    /// A host on which nothing runs yet.
    pub(crate) fn new(config: AgentConfig, api: Api, reports: Reports, worker_id: i32) -> Self {
        Self {
            runs: record::runs(&config.state_directory),
            config,
            api,
            reports,
            leaving: CancellationToken::new(),
            worker_id: AtomicI32::new(worker_id),
            live: Mutex::default(),
        }
    }

    /// The agent's settings.
    pub(crate) const fn config(&self) -> &AgentConfig {
        &self.config
    }

    /// The Worker DAL API.
    pub(crate) const fn api(&self) -> &Api {
        &self.api
    }

    /// What is told.
    pub(crate) const fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Who this agent is to `ManMan`.
    pub(crate) fn worker_id(&self) -> i32 {
        self.worker_id.load(Ordering::Relaxed)
    }

    /// The agent has registered as another worker.
    pub(crate) fn became(&self, worker_id: i32) {
        self.worker_id.store(worker_id, Ordering::Relaxed);
    }

    /// What runs now, and once what does not any more.
    pub(crate) fn live(&self) -> Vec<LiveRun> {
        let mut live = self.lock();
        let over = std::mem::take(&mut live.over);
        live.runs.values().cloned().chain(over).collect()
    }

    pub(super) fn is_live(&self, config_id: i32, run: LiveRun) {
        self.lock().runs.insert(config_id, run);
    }

    pub(super) fn is_over(&self, config_id: i32) {
        let mut live = self.lock();
        if let Some(run) = live.runs.remove(&config_id) {
            live.over.push(run);
            // Nobody asks while the agent has yet to register.
            let superfluous = live.over.len().saturating_sub(MOST_OVER);
            live.over.drain(..superfluous);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a run that nobody attends.
    pub(super) async fn end_stray(&self, record: &mut RunRecord) {
        let lane = Lane::Config(record.config.game_server_config_id);
        let stop = Stop { line: None, grace: std::time::Duration::from_secs(10) };
        let ending = match Process::attach(&record.dir(&self.runs)).await {
            Ok(Attached::Running(mut process)) => Some(process.stop(&stop).await),
            Ok(Attached::Ended(ending)) => Some(ending),
            Ok(Attached::NeverStarted) => None,
            Err(error) => {
                tracing::error!(run = %record.run_id, %error, "a stray run could not be attached to");
                return;
            }
        };
        let (run_id, worker_id) = (record.told_as, record.worker_id);
        let context = "; ended because another run of its config was found";
        let detail = ending.as_ref().map(|ending| words::detail(ending, context));
        self.reports.push(worker_id, lane, Report::InstanceClosed { run_id });
        let status = StatusType::Crashed;
        self.reports.push(worker_id, lane, Report::InstanceStatus { run_id, status, detail });
        record.stage = Stage::Ended { never_ran: None };
        record.note(&self.runs);
    }
}
