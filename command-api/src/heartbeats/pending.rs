//! Heartbeats and outputs that are not written yet: of each entity the last one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use domain::GameServerInstanceId;

use super::{Entity, Output};

/// What outputs may take while they cannot be written, in bytes. Beyond it they are dropped: heartbeats matter more, and
/// output comes again.
const MOST_OUTPUT: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Pending(Mutex<Gathered>);

#[derive(Default)]
struct Gathered {
    beats: HashMap<Entity, Instant>,
    outputs: HashMap<GameServerInstanceId, (Instant, Output)>,
    /// What the outputs take, in bytes.
    output_size: usize,
}

impl Gathered {
    fn put(&mut self, instance: GameServerInstanceId, at: Instant, output: Output) {
        let (size, most) = (output.size(), MOST_OUTPUT.saturating_sub(self.output_size));
        let known = self.outputs.get(&instance).map_or(0, |(_, known)| known.size());
        if size > most + known {
            return;
        }
        self.output_size = self.output_size + size - known;
        self.outputs.insert(instance, (at, output));
    }
}

impl Pending {
    pub(super) fn record(&self, entity: Entity, at: Instant) {
        self.gathered().beats.insert(entity, at);
    }

    pub(super) fn record_output(&self, id: GameServerInstanceId, at: Instant, output: Output) {
        self.gathered().put(id, at, output);
    }

    pub(super) fn is_empty(&self) -> bool {
        let gathered = self.gathered();
        gathered.beats.is_empty() && gathered.outputs.is_empty()
    }

    pub(super) fn take(&self) -> Taken<'_> {
        let Gathered { beats, outputs, .. } = take(&mut *self.gathered());
        Taken { pending: self, beats: in_order(beats), outputs: in_order(outputs) }
    }

    fn put_back(
        &self,
        beats: Vec<(Entity, Instant)>,
        outputs: Vec<(GameServerInstanceId, (Instant, Output))>,
    ) {
        let mut newer = self.gathered();
        for (entity, at) in beats {
            if let Entry::Vacant(vacant) = newer.beats.entry(entity) {
                vacant.insert(at);
            }
        }
        for (id, (at, output)) in outputs {
            if !newer.outputs.contains_key(&id) {
                newer.put(id, at, output);
            }
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows are locked in this order: processes that write the same ones wait for each other and never deadlock.
fn in_order<K: Copy + Eq + Hash + Ord, V>(gathered: HashMap<K, V>) -> Vec<(K, V)> {
    let mut gathered: Vec<_> = gathered.into_iter().collect();
    gathered.sort_unstable_by_key(|(key, _)| *key);
    gathered
}

/// Heartbeats and outputs on their way to the database. Dropped before they are known to be written, they are pending
/// again.
pub(super) struct Taken<'a> {
    pending: &'a Pending,
    beats: Vec<(Entity, Instant)>,
    outputs: Vec<(GameServerInstanceId, (Instant, Output))>,
}

impl Taken<'_> {
    /// Ordered by entity.
    pub(super) fn beats(&self) -> &[(Entity, Instant)] {
        &self.beats
    }

    /// Ordered by instance.
    pub(super) fn outputs(&self) -> &[(GameServerInstanceId, (Instant, Output))] {
        &self.outputs
    }

    pub(super) fn written(mut self) {
        self.beats.clear();
        self.outputs.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pending.put_back(take(&mut self.beats), take(&mut self.outputs));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use domain::{GameServerInstanceId, WorkerId};

    use super::{Entity, Output, Pending};

    const WORKER: Entity = Entity::Worker(WorkerId(1));
    const INSTANCE: Entity = Entity::Instance(GameServerInstanceId(1));

    fn output(text: &str) -> Output {
        Output::new(1, &[text.to_owned()])
    }

    #[test]
    fn of_each_entity_the_last_heartbeat_counts() {
        let (pending, start) = (Pending::default(), Instant::now());
        for seconds in 0..3 {
            pending.record(INSTANCE, start);
            pending.record(WORKER, start + Duration::from_secs(seconds));
        }
        let taken = pending.take();
        assert_eq!(taken.beats(), [(WORKER, start + Duration::from_secs(2)), (INSTANCE, start)]);
    }

    #[test]
    fn what_was_not_written_is_pending_again_unless_there_is_a_newer_one() {
        let (pending, start) = (Pending::default(), Instant::now());
        let later = start + Duration::from_secs(1);
        let [first, second] = [1, 2].map(GameServerInstanceId);
        pending.record(WORKER, start);
        pending.record(INSTANCE, start);
        pending.record_output(second, start, output("old"));
        pending.record_output(first, start, output("only"));
        let taken = pending.take();
        pending.record(WORKER, later);
        pending.record_output(second, later, output("new"));
        drop(taken);
        let taken = pending.take();
        assert_eq!(taken.beats(), [(WORKER, later), (INSTANCE, start)]);
        let outputs = [(first, (start, output("only"))), (second, (later, output("new")))];
        assert_eq!(taken.outputs(), outputs);
    }

    #[test]
    fn what_was_written_is_gone() {
        let pending = Pending::default();
        pending.record(WORKER, Instant::now());
        pending.record_output(GameServerInstanceId(1), Instant::now(), output("text"));
        pending.take().written();
        assert!(pending.is_empty());
    }

    #[test]
    fn outputs_take_only_so_much_memory_and_heartbeats_do_not_suffer() {
        let (pending, now) = (Pending::default(), Instant::now());
        let screen = Output::new(50, &vec!["x".repeat(500); 50]);
        for id in 1..=3_000 {
            pending.record(Entity::Instance(GameServerInstanceId(id)), now);
            pending.record_output(GameServerInstanceId(id), now, screen.clone());
        }
        // One that is there may be replaced by one of the same size.
        pending.record_output(GameServerInstanceId(1), now, screen.clone());
        let taken = pending.take();
        assert_eq!(taken.beats().len(), 3_000);
        assert_eq!(taken.outputs().len(), super::MOST_OUTPUT / screen.size());
    }
}
