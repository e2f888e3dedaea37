//! Aggregates kept in memory, so that a hot command needs no read.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use cqrs_es::Aggregate;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, MutexGuard};

use crate::log::Cached;
use crate::{AppendError, ExecuteError};

/// An aggregate as of a version.
#[derive(Debug)]
pub struct Loaded<A> {
    /// Its state.
    pub state: Arc<A>,
    /// The sequence of its last event; zero when it was never born.
    pub version: i64,
}

impl<A> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), version: self.version }
    }
}

/// One cached aggregate. The gate lets one command at a time decide on it in this process, so that
/// concurrent commands queue instead of losing races; the state is readable meanwhile.
pub(crate) struct Entry<A> {
    gate: Mutex<Option<Away>>,
    slot: RwLock<Slot<A>>,
}

/// The database was found to be away.
struct Away {
    found_at: Instant,
    cause: String,
}

/// The right to decide on an aggregate.
pub(crate) struct Gate<'a>(MutexGuard<'a, Option<Away>>);

impl Gate<'_> {
    /// Leaves word for those who wait behind.
    pub(crate) fn learn<T, E: std::error::Error>(&mut self, outcome: &Result<T, ExecuteError<E>>) {
        if let Err(ExecuteError::Append(
            AppendError::Unavailable(cause) | AppendError::OutcomeUnknown(cause),
        )) = outcome
        {
            *self.0 = Some(Away { found_at: Instant::now(), cause: cause.clone() });
        }
    }
}

/// An append on its way. Until it lands, readers see the state before it, for nobody was told otherwise.
/// Dropped before that, whether it failed or its caller left, the state is forgotten: the log may have
/// left it behind.
pub(crate) struct InFlight<'a, A> {
    entry: &'a Entry<A>,
    after: Option<Loaded<A>>,
}

impl<A> InFlight<'_, A> {
    /// It was appended, and this is the state after it.
    pub(crate) fn landed(mut self, after: Loaded<A>) {
        self.after = Some(after);
    }
}

impl<A> Drop for InFlight<'_, A> {
    fn drop(&mut self) {
        match self.after.take() {
            Some(after) => self.entry.set(after),
            None => self.entry.forget(),
        }
    }
}

struct Slot<A> {
    loaded: Option<Loaded<A>>,
    /// What was loaded last, however old.
    last: Option<Loaded<A>>,
    /// The stream is known to have come this far: a read that began before and ended later is stale.
    reached: i64,
}

impl<A> Entry<A> {
    /// Waits for this process's other commands on the aggregate.
    ///
    /// # Errors
    /// When one of them found the database away meanwhile. To try each of them would let the last one
    /// wait for a connection as many times as there are others before it.
    pub(crate) async fn gate(&self) -> Result<Gate<'_>, AppendError> {
        let arrived = Instant::now();
        let gate = self.gate.lock().await;
        match gate.as_ref() {
            Some(away) if away.found_at >= arrived => {
                Err(AppendError::Unavailable(away.cause.clone()))
            }
            _ => Ok(Gate(gate)),
        }
    }

    fn new() -> Self {
        Self {
            gate: Mutex::new(None),
            slot: RwLock::new(Slot { loaded: None, last: None, reached: 0 }),
        }
    }

    pub(crate) fn get(&self) -> Option<Loaded<A>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner).loaded.clone()
    }

    pub(crate) fn set(&self, loaded: Loaded<A>) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        slot.last = Some(loaded.clone());
        if loaded.version >= slot.reached {
            slot.loaded = Some(loaded);
        }
    }

    /// What was loaded last: for those who can do with it while the database is away.
    pub(crate) fn last(&self) -> Option<Loaded<A>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// Behind the gate: an append is on its way.
    pub(crate) fn in_flight(&self) -> InFlight<'_, A> {
        InFlight { entry: self, after: None }
    }

    /// What is in memory must be read again before it is used.
    pub(crate) fn forget(&self) {
        self.slot.write().unwrap_or_else(PoisonError::into_inner).loaded = None;
    }

    fn reached(&self, version: i64) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        slot.reached = slot.reached.max(version);
        if slot.loaded.as_ref().is_some_and(|loaded| loaded.version < version) {
            slot.loaded = None;
        }
    }
}

/// The aggregates of one type in memory, the least used forgotten first.
pub(crate) struct Entries<A>(Cache<String, Arc<Entry<A>>>);

impl<A> Entries<A> {
    pub(crate) fn new(most: usize) -> Self {
        Self(Cache::new(most))
    }

    pub(crate) fn entry(&self, id: &str) -> Arc<Entry<A>> {
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Entry::new()));
        match self.0.get_or_insert_with(id, new) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }
}

impl<A: Aggregate> Cached for Entries<A> {
    fn reached(&self, aggregate_type: &str, aggregate_id: &str, version: i64) {
        if aggregate_type != A::TYPE {
            return;
        }
        if let Some(entry) = self.0.get(aggregate_id) {
            entry.reached(version);
        }
    }

    fn forget_all(&self) {
        self.0.clear();
    }
}
