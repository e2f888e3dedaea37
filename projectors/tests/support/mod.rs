//! A system of one's own: a throw-away database, a log on it, and the pieces under test.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test program uses a part, and fails by panicking"
)]

pub mod broker;
pub mod commands;
pub mod liveness;
pub mod rebuilding;

use std::env;
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::time::Duration;

use event_store::{EventStore, LogOptions, Position};
use futures::FutureExt;
use projectors::{PROJECTIONS, Projectors};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes on a busy machine; only a failing test gets that far.
const DEADLINE: Duration = Duration::from_secs(30);

pub struct System {
    pub pool: PgPool,
    pub store: EventStore,
    name: String,
    admin: PgConnectOptions,
}

/// A piece that runs until it is stopped, or dropped.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        piece: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(piece(stop.clone()));
        Self { stop, task }
    }

    /// Shuts the piece down as a process does.
    pub async fn stop(mut self) {
        self.stop.cancel();
        soon("the piece ends", &mut self.task).await.unwrap();
    }

    /// Ends the piece wherever it is, as kill -9 does.
    pub async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a test on a database of its own, and removes it whatever it comes to.
pub async fn with_system<F: Future<Output = ()>>(test: impl FnOnce(System) -> F) {
    let admin = PgConnectOptions::from_str(&env::var("MANMAN_TEST_POSTGRES_URL").expect(
        "MANMAN_TEST_POSTGRES_URL must be the URL of a PostgreSQL to test against; `./dev test` \
         starts one and sets it",
    ))
    .unwrap();
    let name = format!("test_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect_with(&admin).await.unwrap();
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();

    let pool = PgPoolOptions::new()
        .max_connections(12)
        .connect_with(admin.clone().database(&name))
        .await
        .unwrap();
    event_store::MIGRATOR.run(&pool).await.unwrap();
    let store = EventStore::start(pool.clone(), LogOptions::default());
    let system = System { pool: pool.clone(), store, name: name.clone(), admin: admin.clone() };
    let outcome = AssertUnwindSafe(test(system)).catch_unwind().await;

    pool.close().now_or_never();
    connection.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Awaits what must happen, and says what did not.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, happens).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Asks again and again until the answer is yes.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

impl System {
    pub fn start_projectors(&self) -> Running {
        let projectors = Projectors::new(self.store.log.clone());
        Running::start(|stop| projectors.run(stop))
    }

    /// Waits until every read model shows everything that is on the log now.
    pub async fn caught_up(&self) {
        let head = self.store.log.head().await.unwrap();
        eventually("the projections catch up", async || self.slowest().await >= head).await;
    }

    /// Runs the projections until they have caught up.
    pub async fn project(&self) {
        let projectors = self.start_projectors();
        self.caught_up().await;
        projectors.stop().await;
    }

    pub async fn slowest(&self) -> Position {
        let mut slowest = Position(i64::MAX);
        for projection in PROJECTIONS {
            slowest = slowest.min(self.checkpoint(&projection.checkpoint()).await);
        }
        slowest
    }

    pub async fn checkpoint(&self, name: &str) -> Position {
        let mut connection = self.pool.acquire().await.unwrap();
        event_store::position_of(&mut connection, name).await.unwrap().unwrap_or_default()
    }

    /// One row of a read model as JSON; panics when there is none.
    pub async fn row(&self, table: &str, id: impl std::fmt::Display) -> serde_json::Value {
        let key = match table {
            "worker_requests" => "request_id".to_owned(),
            table => format!("{}_id", table.strip_suffix('s').unwrap()),
        };
        let query =
            format!("SELECT to_json(t) FROM read_models.{table} t WHERE {key}::text = '{id}'");
        sqlx::query_scalar(&query).fetch_one(&self.pool).await.unwrap()
    }

    /// All rows of a read model as JSON, in the order of its primary key.
    pub async fn rows(&self, table: &str) -> Vec<serde_json::Value> {
        let query = format!("SELECT to_json(t) FROM read_models.{table} t ORDER BY 1::text");
        let query = query.replace("1::text", "to_json(t)::text");
        sqlx::query_scalar(&query).fetch_all(&self.pool).await.unwrap()
    }

    /// Every read model, to be compared with itself later.
    pub async fn everything(&self) -> Vec<(&'static str, Vec<serde_json::Value>)> {
        let mut everything = Vec::new();
        for table in PROJECTIONS.iter().flat_map(|projection| projection.tables) {
            everything.push((*table, self.rows(table).await));
        }
        everything
    }

    /// Lets nobody into the database any more and throws out who is in it, or lets all in again.
    pub async fn set_reachable(&self, reachable: bool) {
        let mut connection = PgConnection::connect_with(&self.admin).await.unwrap();
        let name = &self.name;
        let statement = format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS {reachable};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = '{name}' AND NOT {reachable}"
        );
        sqlx::raw_sql(&statement).execute(&mut connection).await.unwrap();
    }

    pub async fn execute(&self, statement: &str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }

    /// The types of an aggregate's events, in order.
    pub async fn events_of(&self, aggregate_type: &str, id: i32) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT event_type FROM events WHERE aggregate_type = $1 AND aggregate_id = $2
              ORDER BY sequence",
        )
        .bind(aggregate_type)
        .bind(id.to_string())
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}
