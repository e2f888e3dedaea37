//! Which instance each run is.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::telling::Instance;
use crate::run_dir::RunId;

/// How many runs without an instance are remembered with the reason; only the reason is lost beyond that.
const REFUSED_REMEMBERED: usize = 100;

/// Which instance each run is, as far as ManMan has said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Instances {
    known: BTreeMap<RunId, Known>,
    #[serde(skip)]
    refused: VecDeque<(RunId, String)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Known {
    instance_id: i32,
    /// Its run is over and gone; it goes with its last report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_forgotten: bool,
}

impl Instances {
    pub(super) fn id(&self, run_id: RunId) -> Option<i32> {
        self.known.get(&run_id).map(|known| known.instance_id)
    }

    /// Whether some run is this instance.
    pub(super) fn knows(&self, instance_id: i32) -> bool {
        self.known.values().any(|known| known.instance_id == instance_id)
    }

    /// What is known of a run all of whose earlier reports were told.
    pub(super) fn of(&self, run_id: RunId) -> Instance {
        if let Some(id) = self.id(run_id) {
            return Instance::Known(id);
        }
        let refused = self.refused.iter().find(|(refused, _)| *refused == run_id);
        let reason = refused.map_or("its creation was not told", |(_, reason)| reason);
        Instance::None { reason: format!("the run has no instance: {reason}") }
    }

    pub(super) fn add(&mut self, run_id: RunId, instance_id: i32) {
        self.known.insert(run_id, Known { instance_id, is_forgotten: false });
    }

    pub(super) fn refuse(&mut self, run_id: RunId, reason: String) {
        self.refused.truncate(REFUSED_REMEMBERED - 1);
        self.refused.push_front((run_id, reason));
    }

    /// Marks a run as one that nobody will ask for; whether it was known.
    pub(super) fn forget(&mut self, run_id: RunId) -> bool {
        self.known.get_mut(&run_id).map(|known| known.is_forgotten = true).is_some()
    }

    /// Removes the forgotten runs of which nothing is left to tell; whether there were any.
    pub(super) fn prune(&mut self, has_reports: impl Fn(RunId) -> bool) -> bool {
        let before = self.known.len();
        self.known.retain(|run_id, known| !known.is_forgotten || has_reports(*run_id));
        self.known.len() < before
    }

    /// Whether a run was forgotten and is still here.
    pub(super) fn is_forgotten(&self, run_id: RunId) -> bool {
        self.known.get(&run_id).is_some_and(|known| known.is_forgotten)
    }
}
