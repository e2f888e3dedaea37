//! How fresh an answer is: every answer names a position up to which it is certainly complete.
//!
//! One task per process, the follower, asks the database how far the log and its projectors are and
//! publishes what it found as a reading. All requests share those readings, so many connections
//! cost few queries. It asks only while somebody wants to know.

mod follower;
mod layer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

pub use layer::{MIN_POSITION_HEADER, POSITION_HEADER};
pub(crate) use layer::{Patient, as_found, with_own_writes};

use crate::QueryError;

/// How old a reading may be where a request does not ask for more.
const RECENT: Duration = Duration::from_millis(50);

/// How long [`Freshness::caught_up`] waits before it settles for less.
const CATCH_UP: Duration = Duration::from_secs(2);

/// How long a request waits for a position it demands.
const DEMANDED: Duration = Duration::from_secs(5);

/// Counts reads that were served although something written before them may be missing.
const CATCH_UP_TIMEOUTS: &str = "manman_read_catch_up_timeouts_total";

/// A place in the log: that of its event number `n`, counted from 1 without gaps; 0 is before the
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far the log and its projectors were at one moment.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The last event of the log.
    head: Position,
    /// Every read model has everything up to here: the slowest projector's checkpoint.
    projected: Position,
}

/// What the follower found when it asked at `asked_at`. Things only move forward, so it may be used
/// later.
#[derive(Clone)]
struct Reading {
    asked_at: Instant,
    found_at: Instant,
    found: Result<Progress, Arc<sqlx::Error>>,
}

/// How far the log and its projectors are, shared by all requests of a process. Clones are the same
/// one.
#[derive(Clone)]
pub struct Freshness(Arc<Shared>);

struct Shared {
    readings: watch::Receiver<Option<Reading>>,
    demand: Arc<Demand>,
    /// Ends the follower with the last clone.
    _follower: JoinSet<()>,
}

/// What the requests want of the follower.
#[derive(Default)]
struct Demand {
    /// Somebody needs a reading that starts now.
    reading: Notify,
    /// How many wait for the projectors to come somewhere.
    waiting: AtomicUsize,
    /// The last reading was used, so the next will be.
    used: AtomicBool,
}

impl Freshness {
    /// Starts following the log in `log`, and the projectors where reads go: in `replica`, or also
    /// in `log`. To be called inside a tokio runtime.
    #[must_use]
    pub fn new(log: PgPool, replica: Option<PgPool>) -> Self {
        let demand = Arc::<Demand>::default();
        let (publish, readings) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(follower::follow(log, replica, Arc::clone(&demand), publish));
        Self(Arc::new(Shared { readings, demand, _follower: tasks }))
    }

    /// Waits until reads show everything that was written before this call, through whichever
    /// replica of ManMan, and returns how far they are. Projectors more than two seconds behind are
    /// not waited for: what there is, is served.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn caught_up(&self) -> Result<Position, QueryError> {
        let arrived = Instant::now();
        let shown = async {
            let written = self.reading(arrived, |_| true).await?.head;
            self.projected(written, arrived).await
        };
        if let Ok(outcome) = timeout(CATCH_UP, shown).await {
            return outcome;
        }
        metrics::counter!(CATCH_UP_TIMEOUTS).increment(1);
        self.recent().await
    }

    /// How far reads are, found at most 50 ms ago: by now they are at least that far.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn recent(&self) -> Result<Position, QueryError> {
        if !self.0.demand.used.load(Ordering::Relaxed) {
            self.0.demand.used.store(true, Ordering::Relaxed);
        }
        Ok(self.reading(recently(), |_| true).await?.projected)
    }

    /// Waits until reads are at `position`, and returns how far they are.
    ///
    /// # Errors
    /// [`QueryError::NotYet`] after five seconds; or when the database cannot be asked.
    pub async fn reach(&self, position: Position) -> Result<Position, QueryError> {
        match timeout(DEMANDED, self.projected(position, recently())).await {
            Ok(outcome) => outcome,
            Err(_) => Err(QueryError::NotYet { demanded: position, reached: self.recent().await? }),
        }
    }

    async fn projected(&self, target: Position, since: Instant) -> Result<Position, QueryError> {
        let there = |progress: &Progress| progress.projected >= target;
        if let Some(found) = self.known(since, there) {
            return Ok(found?.projected);
        }
        let _waiting = Waiting::begin(&self.0.demand.waiting);
        Ok(self.reading(since, there).await?.projected)
    }

    /// The first reading asked for at `since` or later that is `enough`, or that failed.
    async fn reading(
        &self,
        since: Instant,
        enough: impl Fn(&Progress) -> bool,
    ) -> Result<Progress, QueryError> {
        if let Some(found) = self.known(since, &enough) {
            return found;
        }
        self.0.demand.reading.notify_one();
        let mut readings = self.0.readings.clone();
        let reading = readings
            .wait_for(|reading| reading.as_ref().is_some_and(|it| it.answers(since, &enough)))
            .await;
        // The follower ends only with the last `Freshness`, so neither is ever missing.
        reading.ok().and_then(|it| it.clone()).map_or(Err(QueryError::Ended), Reading::into_found)
    }

    /// What the last reading says, where it is an answer.
    fn known(
        &self,
        since: Instant,
        enough: impl Fn(&Progress) -> bool,
    ) -> Option<Result<Progress, QueryError>> {
        let reading = self.0.readings.borrow();
        let reading = reading.as_ref().filter(|it| it.answers(since, enough))?;
        Some(reading.clone().into_found())
    }
}

impl Reading {
    /// Whether this is what a request wants that arrived at `since`. A failure is, also one of a
    /// question asked earlier: waiting for the next would only delay the 503.
    fn answers(&self, since: Instant, enough: impl Fn(&Progress) -> bool) -> bool {
        match &self.found {
            Ok(progress) => self.asked_at >= since && enough(progress),
            Err(_) => self.found_at >= since,
        }
    }

    fn into_found(self) -> Result<Progress, QueryError> {
        self.found.map_err(QueryError::Database)
    }
}

fn recently() -> Instant {
    let now = Instant::now();
    now.checked_sub(RECENT).unwrap_or(now)
}

/// Counts one that waits, also when its request goes away meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
