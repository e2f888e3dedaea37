//! `run.json`: what the agent remembers of a run, so that the next agent goes on where this one was.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::ServerConfig;
use crate::files;
use crate::run_dir::{RunDir, RunId};

const FILE: &str = "run.json";

/// How many ended runs of a config are kept, with what they printed.
pub(super) const ENDED_RUNS_KEPT: usize = 5;

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It is being installed and started.
    Preparing,
    /// Its process was started.
    Launched,
    /// It is over.
    Ended {
        /// Why it never ran, if it did not.
        never_ran: Option<String>,
    },
}

/// What the agent remembers of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    /// The run: the name of its directory.
    pub(super) run_id: RunId,
    /// By what name reports know its instance. Another than `run_id` once the worker had to register anew while it
    /// ran: one process, told of as two instances.
    pub(super) told_as: RunId,
    /// The worker whose instance it is.
    pub(super) worker_id: i32,
    /// What it runs, as it was when it began.
    pub(super) config: ServerConfig,
    /// The command that asked for it, or for the run it is a restart of. One that is handed out again is about this run.
    pub(super) started_by: Option<Uuid>,
    /// How far it is.
    pub(super) stage: Stage,
    /// When somebody asked for its end: whatever ends it from then on is no crash.
    pub(super) stop_requested_at: Option<DateTime<Utc>>,
    /// Whether the install is behind it: a restart does not install again.
    pub(super) installed: bool,
    /// When it began.
    pub(super) began_at: DateTime<Utc>,
    /// When it is to be started again, for an ended one that its restart policy brings back.
    pub(super) restart_at: Option<DateTime<Utc>>,
    /// The restarts before it that count against the budget.
    pub(super) restarts: Vec<DateTime<Utc>>,
}

impl RunRecord {
    /// A run that begins now.
    pub(super) fn new(config: ServerConfig, worker_id: i32, started_by: Option<Uuid>) -> Self {
        let run_id = RunId(Uuid::now_v7());
        Self {
            run_id,
            told_as: run_id,
            worker_id,
            config,
            started_by,
            stage: Stage::Preparing,
            stop_requested_at: None,
            installed: false,
            began_at: Utc::now(),
            restart_at: None,
            restarts: Vec::new(),
        }
    }

    /// Its directory below that of all runs.
    pub(super) fn dir(&self, runs: &Path) -> RunDir {
        RunDir::at(runs.join(self.run_id.to_string()))
    }

    pub(super) const fn is_stop_requested(&self) -> bool {
        self.stop_requested_at.is_some()
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    /// Writes it down. Its directory must be there.
    pub(super) fn save(&self, runs: &Path) -> io::Result<()> {
        files::put_json(&self.dir(runs).file(FILE), self)
    }

    /// Writes it down where that is worth trying and nothing can be done if it fails: the next agent then finds an
    /// earlier stage and goes on from there, to the same end.
    pub(super) fn note(&self, runs: &Path) {
        if let Err(error) = self.save(runs) {
            tracing::warn!(run = %self.run_id, %error, "the state of a run could not be written");
        }
    }
}

/// What is found below the directory of all runs.
#[derive(Default)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) records: Vec<RunRecord>,
    /// Directories without a record: of runs that begin this moment, or whose agent died before it had written more.
    pub(super) without_record: Vec<PathBuf>,
}

/// All runs below a directory. What cannot be read is logged and left alone.
pub(super) fn all(runs: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for entry in std::fs::read_dir(runs)? {
        let directory = entry?.path();
        match files::read_json::<RunRecord>(&directory.join(FILE)) {
            Ok(Some(record)) => found.records.push(record),
            Ok(None) => found.without_record.push(directory),
            Err(error) => {
                tracing::error!(directory = %directory.display(), %error, "a run cannot be read; it is left alone");
            }
        }
    }
    found.records.sort_by_key(|record| record.run_id);
    Ok(found)
}

/// Removes a run's directory; a failure leaves files behind and no harm.
pub(super) fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory) {
        tracing::warn!(directory = %directory.display(), %error, "an old run was not removed");
    }
}

/// Where all runs are.
pub(super) fn runs(state_directory: &Path) -> PathBuf {
    state_directory.join("runs")
}
