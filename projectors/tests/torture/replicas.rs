//! The projections by several processes, as far as the database can tell: each with a log and connections of its own.
//! Some stay, one comes and goes: stopped as an operator does it, or gone from one moment to the next.

use std::time::Duration;

use event_store::{EventStore, LogOptions};
use projectors::Projectors;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::storm::Progress;
use crate::support::Running;

/// As many stay.
const STAY: usize = 3;
/// The one that comes and goes is there for so many events.
const STAYS_FOR: usize = 3_000;

pub struct Replicas {
    stay: Vec<Replica>,
    comes_and_goes: JoinHandle<usize>,
}

struct Replica {
    /// What it works with; with it end the tasks of its log.
    pool: PgPool,
    running: Running,
}

impl Replicas {
    pub async fn start(database: &PgPool, progress: &Progress, done: &CancellationToken) -> Self {
        let mut stay = Vec::new();
        for _ in 0..STAY {
            stay.push(Replica::start(database).await);
        }
        let comes_and_goes =
            tokio::spawn(come_and_go(database.clone(), progress.clone(), done.clone()));
        Self { stay, comes_and_goes }
    }

    /// Ends all, and says how many there were.
    pub async fn stop(self) -> String {
        let came = self.comes_and_goes.await.unwrap();
        for replica in self.stay {
            replica.stop().await;
        }
        format!("{STAY} replicas stayed, {came} came and went")
    }
}

async fn come_and_go(database: PgPool, progress: Progress, done: CancellationToken) -> usize {
    for came in 0.. {
        let replica = Replica::start(&database).await;
        let goes_on = done.run_until_cancelled(progress.grows_by(STAYS_FOR)).await.is_some();
        if came % 2 == 0 {
            replica.stop().await;
        } else {
            replica.dies().await;
        }
        if !goes_on {
            return came + 1;
        }
    }
    unreachable!()
}

impl Replica {
    async fn start(database: &PgPool) -> Self {
        let pool = pool(database, 8).await;
        let log = EventStore::start(pool.clone(), LogOptions::default()).log;
        let running = Running::start(|stop| Projectors::new(log).run(stop));
        Self { pool, running }
    }

    async fn stop(self) {
        self.running.stop().await;
        self.pool.close().await;
    }

    async fn dies(self) {
        self.running.kill().await;
        self.pool.close().await;
    }
}

/// Connections of one's own to the same database.
pub async fn pool(database: &PgPool, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(20))
        .connect_with(database.connect_options().as_ref().clone())
        .await
        .unwrap()
}
