//! The handle to the log: append, head, wake-ups, and the tail that keeps caches true.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use domain::Claim;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;
use tracing::level_filters::LevelFilter;

use crate::appender::{Appender, Waiting};
use uuid::Uuid;

use crate::commit::{Appended, Commit, KeptAnswer, NewEvent};
use crate::wakeup::Growth;
use crate::{AppendError, Metadata, Position, Wakeups};

/// How the log is written.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The most commits in one append statement.
    pub max_batch: usize,
    /// The most commits waiting for the appender before senders wait too.
    pub max_waiting: usize,
    /// How long a commit may wait for those before it. Then it is refused: the database is away, or
    /// takes less than what is asked of it.
    pub queue_deadline: Duration,
    /// How long a statement of a command may take before its connection counts as lost.
    pub statement_deadline: Duration,
    /// When to stop finding out whether an interrupted append was written, counted from its begin.
    pub outcome_deadline: Duration,
    /// How often the head is looked at when no notification comes.
    pub poll_interval: Duration,
    /// A snapshot is written whenever a stream's version crosses a multiple of this.
    pub snapshot_every: i64,
    /// The most aggregates of one type kept in memory.
    pub cached_aggregates: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            max_batch: 256,
            max_waiting: 4096,
            // Together with what a pool waits for a connection (3 s) less than the 10 s after which
            // v1's clients give up: they are to get an answer.
            queue_deadline: Duration::from_secs(4),
            statement_deadline: Duration::from_secs(4),
            outcome_deadline: Duration::from_secs(5),
            poll_interval: Duration::from_millis(200),
            snapshot_every: 500,
            cached_aggregates: 50_000,
        }
    }
}

/// Something that keeps aggregates in memory and must hear of streams that moved on elsewhere.
pub(crate) trait Cached: Send + Sync {
    /// A stream has reached this version; anything older in memory is stale.
    fn reached(&self, aggregate_type: &str, aggregate_id: &str, version: i64);
    /// Nothing in memory can be trusted any more.
    fn forget_all(&self);
}

/// The log. Cheap to clone; all clones share one appender.
#[derive(Clone)]
pub struct Log {
    pool: PgPool,
    options: LogOptions,
    appends: mpsc::Sender<Waiting>,
    tail: Tail,
}

impl Log {
    /// Starts the appender and the listener. Must be called within a tokio runtime; does not need the
    /// database to be there yet.
    #[must_use]
    pub fn start(pool: PgPool, options: LogOptions) -> Self {
        let tail = Tail::default();
        let (appends, incoming) = mpsc::channel(options.max_waiting);
        let appender =
            Appender { pool: pool.clone(), options: options.clone(), tail: tail.clone() };
        tokio::spawn(appender.run(incoming));
        tokio::spawn(tail.growth().clone().listen(pool.clone()));
        tokio::spawn(tail.growth().clone().notify(pool.clone()));
        tokio::spawn(tail.clone().follow(pool.clone(), options.poll_interval));
        Self { pool, options, appends, tail }
    }

    /// The pool the log works on.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn options(&self) -> &LogOptions {
        &self.options
    }

    /// Appends a commit, together with whatever else is waiting.
    ///
    /// # Errors
    /// See [`AppendError`]; only `OutcomeUnknown` leaves open whether it was written.
    pub async fn append(&self, commit: Commit) -> Result<Appended, AppendError> {
        let (done, outcome) = oneshot::channel();
        let told = (LevelFilter::current() >= LevelFilter::DEBUG).then(|| Told::of(&commit));
        self.appends
            .send(Waiting { commit, since: Instant::now(), done })
            .await
            .map_err(|_| AppendError::Closed)?;
        let appended = outcome.await.map_err(|_| AppendError::Closed)??;
        if let Some(told) = told {
            told.appended(appended);
        }
        Ok(appended)
    }

    /// The position of the last event on the log, read from the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn head(&self) -> Result<Position, sqlx::Error> {
        crate::head(&mut *self.pool.acquire().await?).await
    }

    /// Wakes a subscription when the log grows.
    #[must_use]
    pub fn wakeups(&self) -> Wakeups {
        self.tail.growth().wakeups()
    }

    /// The answer a command got whose id the caller chose; `None` when nothing was written under that id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn answer_to(&self, command_id: Uuid) -> Result<Option<KeptAnswer>, sqlx::Error> {
        let kept = sqlx::query_as(
            "SELECT fingerprint, response::text, position FROM answered_commands WHERE command_id = $1",
        )
        .bind(command_id)
        .fetch_optional(&self.pool);
        let kept: Option<(String, String, i64)> =
            in_time(self.options.statement_deadline, kept).await?;
        Ok(kept.map(|(fingerprint, response, position)| KeptAnswer {
            fingerprint,
            response,
            position: Position(position),
        }))
    }

    /// The id of the aggregate that holds a claim, read from the database. It may be given up the next
    /// moment: what is decided from it is decided again by whoever appends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn holder_of(&self, claim: &Claim) -> Result<Option<String>, sqlx::Error> {
        let held =
            sqlx::query_scalar("SELECT aggregate_id FROM claims WHERE scope = $1 AND key = $2")
                .bind(claim.scope.as_str())
                .bind(&claim.key)
                .fetch_optional(&self.pool);
        in_time(self.options.statement_deadline, held).await
    }

    pub(crate) fn keep_true(&self, cache: Weak<dyn Cached>) {
        self.tail.keep_true(cache);
    }
}

/// A commit as the debug log tells it. With the correlation id on what is appended, published and
/// projected, one command can be followed through all processes.
struct Told {
    metadata: Metadata,
    entity: Option<String>,
    event_types: Vec<String>,
}

impl Told {
    fn of(commit: &Commit) -> Self {
        let stream = |event: &NewEvent| format!("{}/{}", event.aggregate_type, event.aggregate_id);
        Self {
            metadata: commit.metadata.clone(),
            entity: commit.events.first().map(stream),
            event_types: commit.events.iter().map(|event| event.event_type.clone()).collect(),
        }
    }

    fn appended(self, Appended { first, last }: Appended) {
        let Metadata { actor_kind, actor_id, correlation_id, causation_id, command_id, .. } =
            self.metadata;
        debug!(
            %correlation_id,
            %command_id,
            causation_id = causation_id.map(tracing::field::display),
            entity = self.entity,
            event_types = ?self.event_types,
            actor = format_args!("{actor_kind:?}/{actor_id}"),
            first = first.0,
            last = last.0,
            "appended"
        );
    }
}

/// Gives up on a connection that fell silent without an end: nothing else would, for a quarter of an hour.
pub(crate) async fn in_time<T>(
    deadline: Duration,
    statement: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    timeout(deadline, statement).await.map_err(silent)?
}

/// Follows the log so that cached aggregates learn of appends by other processes. Appends of this
/// process move it along without a read.
#[derive(Clone)]
pub(crate) struct Tail {
    growth: Growth,
    shared: Arc<Mutex<TailState>>,
}

#[derive(Default)]
struct TailState {
    /// Everything up to here is reflected in the caches.
    seen: Position,
    caches: Vec<Weak<dyn Cached>>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { growth: Growth::new(), shared: Arc::default() }
    }
}

impl Tail {
    /// The most streams looked at in one round; when more moved on, forgetting all is cheaper.
    const MOST: i64 = 5_000;

    pub(crate) fn growth(&self) -> &Growth {
        &self.growth
    }

    fn state(&self) -> std::sync::MutexGuard<'_, TailState> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_true(&self, cache: Weak<dyn Cached>) {
        self.state().caches.push(cache);
    }

    /// This process appended these positions itself: its caches already reflect them.
    pub(crate) fn appended(&self, first: Position, last: Position) {
        let mut state = self.state();
        if state.seen.0 + 1 == first.0 {
            state.seen = last;
        }
        drop(state);
        self.growth.appended(last);
    }

    async fn follow(self, pool: PgPool, poll: Duration) {
        let mut wakeups = self.growth.wakeups();
        loop {
            let seen = self.state().seen;
            let has_grown = wakeups.wait(seen, poll).await;
            if has_grown && self.state().seen >= wakeups.head() {
                // It was this process that appended: there is nothing to read.
                continue;
            }
            if let Err(error) = self.catch_up(&pool).await {
                // What is cached stays true: while the database is away nobody appends, and then this
                // goes on from where it was.
                debug!(%error, "following the log was interrupted");
                tokio::time::sleep(poll).await;
            }
        }
    }

    async fn catch_up(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut connection = pool.acquire().await?;
        let head = crate::head(&mut connection).await?;
        let seen = self.state().seen;
        if head <= seen {
            return Ok(());
        }
        if head.0 - seen.0 > Self::MOST {
            self.forget_all();
        } else {
            let moved: Vec<(String, String, i64)> = sqlx::query_as(
                "SELECT aggregate_type, aggregate_id, max(sequence) FROM events
                  WHERE position > $1 AND position <= $2 GROUP BY aggregate_type, aggregate_id",
            )
            .bind(seen.0)
            .bind(head.0)
            .fetch_all(&mut *connection)
            .await?;
            for cache in self.live_caches() {
                for (aggregate_type, aggregate_id, version) in &moved {
                    cache.reached(aggregate_type, aggregate_id, *version);
                }
            }
        }
        let mut state = self.state();
        state.seen = state.seen.max(head);
        drop(state);
        self.growth.reached(head);
        Ok(())
    }

    fn forget_all(&self) {
        for cache in self.live_caches() {
            cache.forget_all();
        }
    }

    fn live_caches(&self) -> Vec<Arc<dyn Cached>> {
        let mut state = self.state();
        state.caches.retain(|cache| cache.strong_count() > 0);
        state.caches.iter().filter_map(Weak::upgrade).collect()
    }
}
