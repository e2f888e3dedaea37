//! Signs of life, and the end of what instances print: telemetry, not events. What silence means (lost, recovered) is
//! decided elsewhere from what is written here.
//!
//! Of each worker and instance only the last sign of life counts, so they are gathered in memory and written together:
//! the database sees a few statements a second, however many heartbeats there are. Times are the database's: memory
//! remembers how long ago a heartbeat was, and what is written is the database's now less that. So it does not matter
//! whose clock is wrong.
//!
//! Each process that takes heartbeats in says so in `heartbeat_intakes`: silence means something only while somebody was
//! listening.

mod output;
mod pending;
mod table;

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use domain::{GameServerInstanceId, WorkerId};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::output::Output;
use self::pending::Pending;
use crate::failure::Failure;

/// How often what was gathered is written. Liveness tolerates seconds.
const FLUSH_EVERY: Duration = Duration::from_millis(250);

/// How long one statement may take. A database that does not answer must not keep the next one from being tried.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// How long a read waits for what was recorded before it. Without it the read is only a little older.
const BEFORE_READ: Duration = Duration::from_secs(1);

/// Whose sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    /// A worker's.
    Worker(WorkerId),
    /// An instance's.
    Instance(GameServerInstanceId),
}

/// When an entity was last heard of, and what time it is on the same clock, the database's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) now: domain::Instant,
    pub(crate) last_heartbeat_at: Option<domain::Instant>,
}

/// The heartbeats that this process takes in. Clones are the same one.
#[derive(Clone)]
pub struct Heartbeats(Arc<Shared>);

struct Shared {
    pool: PgPool,
    /// This process in `heartbeat_intakes`.
    intake_id: Uuid,
    pending: Pending,
    /// One statement at a time.
    writing: Mutex<Option<Attempt>>,
    statements: AtomicU64,
    failing: AtomicBool,
}

/// A statement and what came of it. Whoever waited since before it began needs no other: it took their heartbeats along,
/// and while the database is away they fail together instead of one after the other.
struct Attempt {
    began: Instant,
    outcome: Result<(), Arc<sqlx::Error>>,
}

impl Heartbeats {
    /// Heartbeats to be written to `pool`. Nothing is written before [`Heartbeats::run`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(Arc::new(Shared {
            pool,
            intake_id: Uuid::now_v7(),
            pending: Pending::default(),
            writing: Mutex::new(None),
            statements: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        }))
    }

    /// Remembers a sign of life; no database is asked. The entity must be one that exists: that is what bounds memory
    /// while the database is away.
    pub fn record(&self, entity: Entity) {
        self.0.pending.record(entity, Instant::now());
    }

    /// Remembers what an instance printed last, in place of what it printed before. The instance must be one that exists.
    pub fn record_output(&self, instance: GameServerInstanceId, output: Output) {
        self.0.pending.record_output(instance, Instant::now(), output);
    }

    /// Writes every 250 ms until `shutdown` is cancelled, and then once more. Cancel it when no request is in flight any
    /// more, or what they bring is lost.
    ///
    /// # Errors
    /// When the last write fails. Earlier failures are tried again.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Arc<sqlx::Error>> {
        let mut ticks = interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let written = self.write().await;
            self.note(written.as_ref().err());
        }
        self.write().await
    }

    /// Writes what was recorded before this call, so that a read shows it. Costs nothing when there is nothing.
    ///
    /// # Errors
    /// When the database does not take it; it stays in memory then.
    pub async fn flush_now(&self) -> Result<(), Arc<sqlx::Error>> {
        // Only under the lock: a statement in flight has taken them out of memory and may still fail.
        let idle = self.0.writing.lock().await;
        if self.0.pending.is_empty() {
            return Ok(());
        }
        drop(idle);
        self.write().await
    }

    /// How many statements were written so far.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.0.statements.load(Ordering::Relaxed)
    }

    /// The last sign of life, in the database's time.
    pub(crate) async fn last(&self, entity: Entity) -> Result<Option<domain::Instant>, Failure> {
        Ok(self.seen(entity).await?.last_heartbeat_at)
    }

    /// The last sign of life, and what time it is now.
    pub(crate) async fn seen(&self, entity: Entity) -> Result<Seen, Failure> {
        let written_and_read = async {
            self.flush_now().await?;
            table::seen(&self.0.pool, entity).await.map_err(Arc::new)
        };
        let seen = timeout(LONGEST_FLUSH, written_and_read).await;
        seen.unwrap_or_else(|_| Err(Arc::new(silent()))).map_err(Failure::database)
    }

    /// Writes what was recorded before this call, and that this process listens.
    async fn write(&self) -> Result<(), Arc<sqlx::Error>> {
        let arrived = Instant::now();
        let mut last = self.0.writing.lock().await;
        if let Some(attempt) = last.as_ref().filter(|attempt| attempt.began >= arrived) {
            return attempt.outcome.clone();
        }
        let began = Instant::now();
        let outcome = self.write_pending().await.map_err(Arc::new);
        *last = Some(Attempt { began, outcome: outcome.clone() });
        outcome
    }

    /// If this fails, or is dropped half-way, the heartbeats go back to memory: to write one twice does no harm.
    async fn write_pending(&self) -> sqlx::Result<()> {
        let taken = self.0.pending.take();
        let written = timeout(LONGEST_FLUSH, async {
            let mut connection = self.0.pool.acquire().await?;
            table::write(&mut connection, self.0.intake_id, &taken).await
        });
        written.await.unwrap_or_else(|_| Err(silent()))?;
        self.0.statements.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("manman_heartbeat_statements_total").increment(1);
        metrics::counter!("manman_heartbeat_rows_total").increment(taken.beats().len() as u64);
        metrics::counter!("manman_output_rows_total").increment(taken.outputs().len() as u64);
        taken.written();
        Ok(())
    }

    /// Logs when writing begins to fail and when it works again, not four times a second.
    fn note(&self, error: Option<&impl Display>) {
        let failed_before = self.0.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                tracing::warn!(%error, "heartbeats cannot be written; they are kept until they can");
            }
            None if failed_before => tracing::info!("heartbeats are written again"),
            _ => {}
        }
    }
}

/// To go around reads whose clients send heartbeats and then look for them: writes first what was recorded. With
/// [`axum::middleware::from_fn_with_state`].
pub async fn written_before_reads(
    State(heartbeats): State<Heartbeats>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::GET {
        // When it fails the read is not worse than it was, and says itself what is wrong if it cannot be done either.
        match timeout(BEFORE_READ, heartbeats.flush_now()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "heartbeats not written before a read"),
            Err(_) => tracing::debug!("heartbeats not written in time for a read"),
        }
    }
    next.run(request).await
}

/// A connection fell silent without an end.
fn silent() -> sqlx::Error {
    io::Error::from(io::ErrorKind::TimedOut).into()
}
