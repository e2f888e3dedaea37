//! One lane per entity: its reports one after the other, lanes side by side.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use messaging::Delivery;
use messaging::contract::EntityType;
use tokio::task::{JoinError, JoinSet};

use super::record::Recorder;
use super::report::{Report, read};

/// What is handled in order. What is no report has a lane of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Entity(EntityType, i32),
    Unreadable,
}

type Entry = (Result<Report, String>, Delivery);

pub(super) struct Lanes {
    recorder: Arc<Recorder>,
    /// Every lane in work, with what waits in it. Bounded by the prefetch.
    waiting: HashMap<Lane, VecDeque<Entry>>,
    running: JoinSet<Lane>,
}

impl Lanes {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        Self { recorder, waiting: HashMap::new(), running: JoinSet::new() }
    }

    pub(super) fn enter(&mut self, delivery: Delivery) {
        let report = read(&delivery);
        let lane = match &report {
            Ok(report) => Lane::Entity(report.entity, report.id),
            Err(_) => Lane::Unreadable,
        };
        match self.waiting.get_mut(&lane) {
            Some(waiting) => waiting.push_back((report, delivery)),
            None => {
                self.waiting.insert(lane, VecDeque::new());
                self.start(lane, (report, delivery));
            }
        }
    }

    /// Waits until a report is done, and starts the next of its lane. For ever when none is in work.
    pub(super) async fn one_finished(&mut self) {
        match self.running.join_next().await {
            Some(finished) => self.go_on(finished),
            None => std::future::pending().await,
        }
    }

    /// Whether reports are held up by something of ours.
    pub(super) fn is_stuck(&self) -> bool {
        self.recorder.is_stuck()
    }

    /// Finishes what is in work. What waits is dropped, and comes back when the connection ends.
    pub(super) async fn finish(mut self) {
        self.waiting.clear();
        while let Some(finished) = self.running.join_next().await {
            propagate_panic(finished);
        }
    }

    fn go_on(&mut self, finished: Result<Lane, JoinError>) {
        let Some(lane) = propagate_panic(finished) else { return };
        match self.waiting.get_mut(&lane).and_then(VecDeque::pop_front) {
            Some(next) => self.start(lane, next),
            None => drop(self.waiting.remove(&lane)),
        }
    }

    fn start(&mut self, lane: Lane, (report, delivery): Entry) {
        let recorder = Arc::clone(&self.recorder);
        self.running.spawn(async move {
            match report {
                Ok(report) => recorder.settle(&report, delivery).await,
                Err(reason) => recorder.give_up(delivery, reason, 1).await,
            }
            lane
        });
    }
}

/// A panic in a lane is a defect: it ends the intake, visibly, instead of blocking one entity.
fn propagate_panic(finished: Result<Lane, JoinError>) -> Option<Lane> {
    match finished {
        Ok(lane) => Some(lane),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
