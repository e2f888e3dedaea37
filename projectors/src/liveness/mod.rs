//! Liveness: the process manager that says who is lost, who is back, what has ended, and how requests
//! came out.
//!
//! It compares what is with what should be, on the clock of the database, and issues commands for the
//! difference. It remembers nothing: what it did not get to, or what happened while it was down, is
//! a difference still. Reads may be a little stale and several replicas may run: the aggregates decide,
//! and a loss declared twice is no event. Once an hour it also forgets old output.

mod commands;
mod config;
mod instances;
mod output;
mod requests;
mod workers;

use std::time::Duration;

use event_store::EventStore;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::commands::Commands;
pub use self::config::LivenessConfig;
use self::output::OutputPruning;
use crate::pause::Pause;
use crate::status::PieceStatus;
use crate::subscription::{LONGEST_STEP, in_words};

/// The most differences of one kind taken in one pass; the next pass takes the rest.
const MOST: i64 = 1_000;
/// The least time between two passes, however fast the log grows.
const PACE: Duration = Duration::from_millis(100);
/// After a pass it rests for this many times as long as the pass took: looking at very many open
/// instances must not become the main work of the database.
const REST: u32 = 9;
/// But not for longer than this.
const LONGEST_REST: Duration = Duration::from_secs(3);

/// The process manager.
pub struct Liveness {
    store: EventStore,
    config: LivenessConfig,
    status: PieceStatus,
}

impl Liveness {
    /// Nothing happens before [`run`](Self::run).
    #[must_use]
    pub fn new(store: EventStore, config: LivenessConfig) -> Self {
        Self { store, config, status: PieceStatus::default() }
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> PieceStatus {
        self.status.clone()
    }

    /// Makes passes until shutdown; a pass begun is finished first.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut wakeups = self.store.log.wakeups();
        let mut pause = Pause::new();
        let mut pruning = OutputPruning::new();
        while !shutdown.is_cancelled() {
            let started = Instant::now();
            let pass = timeout(LONGEST_STEP, self.pass()).await;
            match pass.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(head) => {
                    pause.reset();
                    self.status.reached(head);
                    self.status.works();
                    let pause = (started.elapsed() * REST).clamp(PACE, LONGEST_REST);
                    pruning.prune_if_due(self.store.log.pool()).await;
                    let rest = async {
                        sleep(pause).await;
                        wakeups.wait(head, self.config.interval.saturating_sub(pause)).await;
                    };
                    shutdown.run_until_cancelled(rest).await;
                }
                Err(error) => {
                    let problem = in_words(&error);
                    if self.status.fails(problem.clone()) {
                        tracing::error!(problem, "liveness cannot be judged; it keeps trying");
                    }
                    shutdown.run_until_cancelled(sleep(pause.after_failure())).await;
                }
            }
        }
    }

    /// Looks at everything once. Workers first: what becomes of an instance follows from its worker.
    async fn pass(&self) -> sqlx::Result<event_store::Position> {
        let pool = self.store.log.pool();
        let head = self.store.log.head().await?;
        let commands = Commands::new(&self.store);
        if somebody_listens(pool, &self.config).await? {
            commands.to_workers(workers::silent(pool, &self.config).await?).await;
            commands.to_workers(workers::heard_again(pool, &self.config).await?).await;
            commands.to_workers(workers::lost_too_long(pool, &self.config).await?).await;
            commands.to_instances(instances::silent(pool, &self.config).await?).await;
            commands.to_instances(instances::heard_again(pool, &self.config).await?).await;
            commands.to_instances(instances::of_closed_workers(pool, &self.config).await?).await;
        }
        commands.to_instances(instances::of_lost_workers(pool).await?).await;
        commands.to_instances(instances::of_recovered_workers(pool).await?).await;
        commands.to_workers(workers::unconcluded(pool, &self.config).await?).await;
        commands.to_instances(instances::unconcluded(pool, &self.config).await?).await;
        commands.to_workers(requests::started(pool).await?).await;
        commands.to_workers(requests::stopped(pool).await?).await;
        commands.to_workers(requests::relayed(pool).await?).await;
        commands.to_workers(requests::overdue(pool).await?).await;
        Ok(head)
    }
}

/// Whether heartbeats have been taken in for long enough for silence to mean something: a healthy worker
/// is never lost because `ManMan` was down.
async fn somebody_listens(pool: &PgPool, config: &LivenessConfig) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM heartbeat_intakes
                         WHERE last_flush_at > now() - $1 AND listening_since <= now() - $2)",
    )
    .bind(config.intake_gone_after)
    .bind(config.lost_after)
    .fetch_one(pool)
    .await
}
