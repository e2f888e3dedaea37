//! What those who report and those who deliver share: the disk behind one lock, the memory behind another.
//!
//! Where both are needed, the disk is locked first. So whoever only looks at the queue never waits for a slow disk, and
//! what is settled cannot be written again behind the back of whoever removes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;
use tokio::sync::Notify;

use super::metrics::{DELIVERED, DROPPED, REJECTED};
use super::queue::{Entry, Queue};
use super::report::{Report, Spooled};
use super::spool::Spool;
use super::ticket::{Receipt, Rejected, Ticket};
use crate::files;
use crate::run_dir::RunId;

/// How many reports are kept while the disk takes none: a day of a busy host, in some megabytes.
const MOST_IN_MEMORY: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    spool: Mutex<Spool>,
    queue: Mutex<Queue>,
    /// There is something to deliver.
    pub(super) wake: Notify,
}

impl Shared {
    pub(super) fn new(spool: Spool, queue: Queue) -> Self {
        Self { spool: Mutex::new(spool), queue: Mutex::new(queue), wake: Notify::new() }
    }

    // Nothing is left half done by a panic under these locks.
    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report: `make` gives it for its instant.
    pub(super) fn push(
        &self,
        make: impl FnOnce(chrono::DateTime<chrono::Utc>) -> Spooled,
    ) -> Ticket {
        let (sender, ticket) = Ticket::new();
        let mut spool = self.spool();
        let at = spool.stamp(chrono::Utc::now());
        let spooled = Arc::new(make(at));
        let is_written = spool.put(&spooled);
        let mut queue = self.queue();
        let outdated = queue.take_outdated_by(&spooled);
        queue.push(Entry::new(spooled, is_written, Some(sender)));
        let surplus = queue.take_surplus(MOST_IN_MEMORY);
        drop(queue);
        if let Some(entry) = outdated {
            spool.forget(&entry.spooled);
            entry.settle(Ok(Receipt { instance_id: None }));
        }
        if let Some(entry) = surplus {
            give_up(entry);
        }
        drop(spool);
        self.wake.notify_one();
        ticket
    }

    /// A report was delivered, and maybe began an instance by that.
    pub(super) fn told(&self, spooled: &Spooled, began: Option<i32>) {
        let mut spool = self.spool();
        if self.learn(&mut spool, spooled, began) {
            spool.told(spooled);
        }
        let mut queue = self.queue();
        let instance_id = match &spooled.report {
            Report::StrayInstanceEnded { instance_id, .. } => Some(*instance_id),
            report => report.run_id().and_then(|run_id| queue.instances.id(run_id)),
        };
        let taken = queue.take(spooled);
        drop(queue);
        self.forget_what_is_over(&mut spool, spooled);
        drop(spool);
        counter!(DELIVERED).increment(1);
        if let Some(entry) = taken {
            entry.settle(Ok(Receipt { instance_id }));
        }
    }

    /// Remembers which instance a run has become; whether that is on disk. Where not, the report that created it stays in
    /// the spool: told again, it gets the same answer.
    fn learn(&self, spool: &mut Spool, spooled: &Spooled, began: Option<i32>) -> bool {
        let Report::InstanceCreated { run_id, .. } = &spooled.report else { return true };
        let Some(instance_id) = began else { return true };
        let mut queue = self.queue();
        queue.instances.add(*run_id, instance_id);
        let instances = queue.instances.clone();
        drop(queue);
        spool.put_instances(&instances)
    }

    /// A report will never be delivered.
    pub(super) fn rejected(&self, spooled: &Spooled, reason: String) {
        tracing::error!(
            report = spooled.report.kind(),
            id = %spooled.id,
            run = spooled.report.run_id().map(tracing::field::display),
            reason,
            "report was rejected"
        );
        counter!(REJECTED).increment(1);
        let mut spool = self.spool();
        spool.reject(spooled, &reason);
        let mut queue = self.queue();
        if let Report::InstanceCreated { run_id, .. } = &spooled.report {
            queue.instances.refuse(*run_id, reason.clone());
        }
        let taken = queue.take(spooled);
        drop(queue);
        self.forget_what_is_over(&mut spool, spooled);
        drop(spool);
        if let Some(entry) = taken {
            entry.settle(Err(Rejected { reason }));
        }
    }

    /// Nobody will ask for the run's instance any more.
    pub(super) fn forget(&self, run_id: RunId) {
        let mut spool = self.spool();
        let mut queue = self.queue();
        if queue.instances.forget(run_id) {
            queue.prune_instances();
            let instances = queue.instances.clone();
            drop(queue);
            spool.put_instances(&instances);
        }
    }

    fn forget_what_is_over(&self, spool: &mut Spool, spooled: &Spooled) {
        let Some(run_id) = spooled.report.run_id() else { return };
        let mut queue = self.queue();
        if queue.instances.is_forgotten(run_id) && queue.prune_instances() {
            let instances = queue.instances.clone();
            drop(queue);
            spool.put_instances(&instances);
        }
    }

    /// Whether there is anything for [`keep_house`](Self::keep_house).
    pub(super) fn is_untidy(&self) -> bool {
        self.spool.try_lock().is_ok_and(|spool| spool.is_untidy()) || self.queue().has_unwritten()
    }

    /// Makes what is on disk last, and writes what could not be written before.
    pub(super) fn keep_house(&self) {
        let mut spool = self.spool();
        spool.keep_house();
        if spool.are_instances_stale() {
            let instances = self.queue().instances.clone();
            spool.put_instances(&instances);
        }
        let unwritten = self.queue().unwritten();
        // Under the lock of the disk none of them is settled meanwhile.
        for spooled in unwritten {
            if !spool.put(&spooled) {
                break;
            }
            self.queue().is_written(&spooled);
        }
        let unsynced = spool.take_unsynced();
        drop(spool);
        for path in unsynced {
            if let Err(error) = files::sync(&path) {
                tracing::error!(path = %path.display(), %error, "the disk does not keep what is written");
            }
        }
    }
}

/// Neither disk nor memory has room for a report.
fn give_up(entry: Entry) {
    counter!(DROPPED).increment(1);
    let report = entry.spooled.report.kind();
    if entry.spooled.report.progress_of().is_some() {
        tracing::debug!(report, "report is lost: the disk is full, and so is the room in memory");
    } else {
        tracing::error!(report, id = %entry.spooled.id, "report is lost: the disk is full, and so is the room in memory");
    }
    let reason = "neither disk nor memory had room for it".to_owned();
    entry.settle(Err(Rejected { reason }));
}
