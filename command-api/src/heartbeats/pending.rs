//! Heartbeats that are not written yet: of each entity the last one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Entity;

#[derive(Default)]
pub(super) struct Pending(Mutex<HashMap<Entity, Instant>>);

impl Pending {
    pub(super) fn record(&self, entity: Entity, at: Instant) {
        self.beats().insert(entity, at);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.beats().is_empty()
    }

    pub(super) fn take(&self) -> Taken<'_> {
        let mut beats: Vec<_> = take(&mut *self.beats()).into_iter().collect();
        // Rows are locked in this order: processes that write the same ones wait for each other and never deadlock.
        beats.sort_unstable_by_key(|(entity, _)| *entity);
        Taken { pending: self, beats }
    }

    fn put_back(&self, beats: Vec<(Entity, Instant)>) {
        let mut newer = self.beats();
        for (entity, at) in beats {
            if let Entry::Vacant(vacant) = newer.entry(entity) {
                vacant.insert(at);
            }
        }
    }

    fn beats(&self) -> MutexGuard<'_, HashMap<Entity, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Heartbeats on their way to the database. Dropped before they are known to be written, they are pending again.
pub(super) struct Taken<'a> {
    pending: &'a Pending,
    beats: Vec<(Entity, Instant)>,
}

impl Taken<'_> {
    /// Ordered by entity.
    pub(super) fn as_slice(&self) -> &[(Entity, Instant)] {
        &self.beats
    }

    pub(super) fn written(mut self) {
        self.beats.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pending.put_back(take(&mut self.beats));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use domain::{GameServerInstanceId, WorkerId};

    use super::{Entity, Pending};

    const WORKER: Entity = Entity::Worker(WorkerId(1));
    const INSTANCE: Entity = Entity::Instance(GameServerInstanceId(1));

    #[test]
    fn of_each_entity_the_last_heartbeat_counts() {
        let (pending, start) = (Pending::default(), Instant::now());
        for seconds in 0..3 {
            pending.record(INSTANCE, start);
            pending.record(WORKER, start + Duration::from_secs(seconds));
        }
        let taken = pending.take();
        assert_eq!(taken.as_slice(), [(WORKER, start + Duration::from_secs(2)), (INSTANCE, start)]);
    }

    #[test]
    fn what_was_not_written_is_pending_again_unless_there_is_a_newer_one() {
        let (pending, start) = (Pending::default(), Instant::now());
        let later = start + Duration::from_secs(1);
        pending.record(WORKER, start);
        pending.record(INSTANCE, start);
        let taken = pending.take();
        pending.record(WORKER, later);
        drop(taken);
        assert_eq!(pending.take().as_slice(), [(WORKER, later), (INSTANCE, start)]);
    }

    #[test]
    fn what_was_written_is_gone() {
        let pending = Pending::default();
        pending.record(WORKER, Instant::now());
        pending.take().written();
        assert!(pending.is_empty());
    }
}
