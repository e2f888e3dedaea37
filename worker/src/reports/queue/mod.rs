//! The undelivered reports in memory, lane by lane.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use metrics::gauge;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::instances::Instances;
use super::metrics::UNDELIVERED;
use super::report::{Lane, Report, Spooled};
use super::telling::{Status, Telling, telling};
use super::ticket::Fate;
use crate::run_dir::RunId;

/// The undelivered reports, and what is known of instances.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: BTreeMap<Lane, VecDeque<Entry>>,
    pub(super) instances: Instances,
    /// How many there are, for whoever waits until there are none.
    pub(super) undelivered: watch::Sender<usize>,
    /// How many are in memory only.
    unwritten: usize,
}

/// A report in its lane.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) spooled: Arc<Spooled>,
    /// For whoever waits; none after a restart.
    pub(super) ticket: Option<oneshot::Sender<Fate>>,
    /// Whether it is on disk.
    pub(super) is_written: bool,
    is_under_way: bool,
    /// A report of two parts has its first part behind it.
    is_half_told: bool,
}

impl Entry {
    pub(super) const fn new(
        spooled: Arc<Spooled>,
        is_written: bool,
        ticket: Option<oneshot::Sender<Fate>>,
    ) -> Self {
        Self { spooled, ticket, is_written, is_under_way: false, is_half_told: false }
    }

    /// Says what became of it; nobody may be listening.
    pub(super) fn settle(self, fate: Fate) {
        if let Some(ticket) = self.ticket {
            drop(ticket.send(fate));
        }
    }
}

/// A report of a lane whose turn it is, and what it takes to tell it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) lane: Lane,
    pub(super) spooled: Arc<Spooled>,
    pub(super) telling: Telling,
}

impl Queue {
    pub(super) fn new(instances: Instances) -> Self {
        Self { instances, ..Self::default() }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.unwritten += usize::from(!entry.is_written);
        self.lanes.entry(entry.spooled.lane).or_default().push_back(entry);
        self.count();
    }

    /// Takes out the progress that is outdated by the report, unless it is being told right now.
    pub(super) fn take_outdated_by(&mut self, spooled: &Spooled) -> Option<Entry> {
        let run_id = spooled.report.progress_of()?;
        let waits = |entry: &Entry| {
            !entry.is_under_way && entry.spooled.report.progress_of() == Some(run_id)
        };
        let lane = self.lanes.get(&spooled.lane)?;
        let place = lane.iter().rposition(|entry| waits(entry) && entry.spooled.at < spooled.at)?;
        self.take_out(spooled.lane, place)
    }

    /// Takes out what is missed least, when more than so many are in memory only: progress, else the oldest.
    pub(super) fn take_surplus(&mut self, limit: usize) -> Option<Entry> {
        if self.unwritten <= limit {
            return None;
        }
        let candidates = self.lanes.iter().flat_map(|(lane, entries)| {
            entries.iter().enumerate().map(move |(place, entry)| (*lane, place, entry))
        });
        let (lane, place, _) =
            candidates.filter(|(.., entry)| !entry.is_written && !entry.is_under_way).min_by_key(
                |(.., entry)| (entry.spooled.report.progress_of().is_none(), entry.spooled.at),
            )?;
        self.take_out(lane, place)
    }

    /// What could be told next: the heads of all lanes where nothing is under way.
    pub(super) fn heads(&self) -> Vec<Head> {
        let idle = self.lanes.iter().filter_map(|(lane, entries)| {
            let head = entries.front().filter(|head| !head.is_under_way)?;
            Some((*lane, head))
        });
        idle.map(|(lane, head)| self.head(lane, head)).collect()
    }

    /// The outcomes that could be told before what holds up their lanes, a status that waits for the broker.
    pub(super) fn outcomes_behind_statuses(&self) -> Vec<Head> {
        let behind = self.lanes.iter().filter_map(|(lane, entries)| {
            let mut entries = entries.iter();
            let head = entries.next()?;
            let is_held_up = matches!(self.telling(head), Telling::Status(_));
            let outcome = entries.find(|entry| self.is_outcome_of_known(entry))?;
            is_held_up.then(|| self.head(*lane, outcome))
        });
        behind.collect()
    }

    /// Whether this is an outcome, and what it is about is known to ManMan.
    fn is_outcome_of_known(&self, entry: &Entry) -> bool {
        match entry.spooled.report {
            Report::CommandOutcome { run_id, .. } => {
                run_id.is_none_or(|run_id| self.instances.id(run_id).is_some())
            }
            _ => false,
        }
    }

    fn head(&self, lane: Lane, entry: &Entry) -> Head {
        Head { lane, spooled: Arc::clone(&entry.spooled), telling: self.telling(entry) }
    }

    fn telling(&self, entry: &Entry) -> Telling {
        telling(&entry.spooled, entry.is_half_told, |run_id| self.instances.of(run_id))
    }

    /// A report is on its way.
    pub(super) fn begin(&mut self, spooled: &Spooled) {
        if let Some(entry) = self.entry(spooled) {
            entry.is_under_way = true;
        }
    }

    /// As many statuses from the front of a lane as follow each other: one transport takes them in order.
    pub(super) fn begin_statuses(
        &mut self,
        lane: Lane,
        most: usize,
    ) -> Vec<(Arc<Spooled>, Status)> {
        let Some(entries) = self.lanes.get(&lane) else { return Vec::new() };
        let statuses: Vec<_> = entries
            .iter()
            .map_while(|entry| match self.telling(entry) {
                Telling::Status(status) => Some((Arc::clone(&entry.spooled), status)),
                Telling::Call(_) | Telling::Known | Telling::Pointless { .. } => None,
            })
            .take(most)
            .collect();
        for entry in self.lanes.get_mut(&lane).into_iter().flatten().take(statuses.len()) {
            entry.is_under_way = true;
        }
        statuses
    }

    /// Nothing is under way in a lane any more.
    pub(super) fn put_back(&mut self, lane: Lane) {
        for entry in self.lanes.get_mut(&lane).into_iter().flatten() {
            entry.is_under_way = false;
        }
    }

    /// The first of a report's two parts was told.
    pub(super) fn is_half_told(&mut self, spooled: &Spooled) {
        if let Some(entry) = self.entry(spooled) {
            entry.is_half_told = true;
        }
    }

    /// Takes out a report that is settled.
    pub(super) fn take(&mut self, spooled: &Spooled) -> Option<Entry> {
        let entries = self.lanes.get(&spooled.lane)?;
        let place = entries.iter().position(|entry| entry.spooled.at == spooled.at)?;
        self.take_out(spooled.lane, place)
    }

    fn entry(&mut self, spooled: &Spooled) -> Option<&mut Entry> {
        let entries = self.lanes.get_mut(&spooled.lane)?;
        entries.iter_mut().find(|entry| entry.spooled.at == spooled.at)
    }

    fn take_out(&mut self, lane: Lane, place: usize) -> Option<Entry> {
        let entries = self.lanes.get_mut(&lane)?;
        let entry = entries.remove(place)?;
        if entries.is_empty() {
            self.lanes.remove(&lane);
        }
        self.unwritten -= usize::from(!entry.is_written);
        self.count();
        Some(entry)
    }

    /// Whether some are in memory only.
    pub(super) const fn has_unwritten(&self) -> bool {
        self.unwritten > 0
    }

    /// The reports that are in memory only.
    pub(super) fn unwritten(&self) -> Vec<Arc<Spooled>> {
        let entries = self.lanes.values().flatten().filter(|entry| !entry.is_written);
        entries.map(|entry| Arc::clone(&entry.spooled)).collect()
    }

    /// A report is on disk now.
    pub(super) fn is_written(&mut self, spooled: &Spooled) {
        let entry = self.entry(spooled).filter(|entry| !entry.is_written);
        if let Some(entry) = entry {
            entry.is_written = true;
            self.unwritten -= 1;
        }
    }

    /// Whether something of a run is not told yet.
    pub(super) fn has_reports_of(&self, run_id: RunId) -> bool {
        self.lanes.values().flatten().any(|entry| entry.spooled.report.run_id() == Some(run_id))
    }

    /// The commands whose outcome is not told yet.
    pub(super) fn outcomes(&self) -> HashSet<Uuid> {
        let reports = self.lanes.values().flatten().map(|entry| &entry.spooled.report);
        let command = |report: &Report| match report {
            Report::CommandOutcome { command_id, .. } => Some(*command_id),
            _ => None,
        };
        reports.filter_map(command).collect()
    }

    /// Removes the forgotten runs of which nothing is left to tell; whether there were any.
    pub(super) fn prune_instances(&mut self) -> bool {
        let mut instances = std::mem::take(&mut self.instances);
        let pruned = instances.prune(|run_id| self.has_reports_of(run_id));
        self.instances = instances;
        pruned
    }

    fn count(&self) {
        let undelivered = self.lanes.values().map(VecDeque::len).sum();
        gauge!(UNDELIVERED).set(undelivered as f64);
        self.undelivered.send_replace(undelivered);
    }
}
