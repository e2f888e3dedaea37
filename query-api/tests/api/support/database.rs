//! A database of its own for each test.

use std::panic::AssertUnwindSafe;
use std::str::FromStr;

use futures::FutureExt;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgPool};
use uuid::Uuid;

/// A migrated database whose read models are empty and whose projectors have seen all of the log.
#[derive(Clone)]
pub struct Database {
    pub pool: PgPool,
}

/// Runs a test with a database, and drops that afterwards however the test ended.
pub async fn with_database(test: impl AsyncFnOnce(Database)) {
    let admin = std::env::var("MANMAN_TEST_POSTGRES_URL")
        .expect("MANMAN_TEST_POSTGRES_URL is not set; run the tests with ./dev test");
    let admin = PgConnectOptions::from_str(&admin).unwrap();
    let name = format!("test_query_api_{}", Uuid::now_v7().simple());
    let mut connection = admin.connect().await.unwrap();
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();

    let options = admin.database(&name);
    let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(options);
    let database = Database { pool: pool.clone() };
    let outcome = async {
        sqlx::migrate!("../migrations").run(&pool).await.unwrap();
        database.checkpoint("projector.test", database.head().await).await;
        test(database).await;
    };
    let outcome = AssertUnwindSafe(outcome).catch_unwind().await;

    // FORCE ends connections that a failed test left behind.
    connection.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Database {
    pub async fn execute(&self, statements: &str) {
        self.pool.execute(sqlx::raw_sql(statements)).await.unwrap();
    }

    /// The position of the last event.
    pub async fn head(&self) -> i64 {
        sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&self.pool).await.unwrap()
    }

    /// As if so many events had been appended.
    pub async fn append(&self, events: i64) -> i64 {
        sqlx::query_scalar("UPDATE log_head SET position = position + $1 RETURNING position")
            .bind(events)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// As if a subscription had come to this position.
    pub async fn checkpoint(&self, name: &str, position: i64) {
        sqlx::query(
            "INSERT INTO checkpoints (name, position, updated_at) 
             VALUES ($1, $2, '2026-01-02T03:04:05Z')
             ON CONFLICT (name) DO UPDATE SET position = excluded.position",
        )
        .bind(name)
        .bind(position)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// From now on [`Database::looks_at_the_log`] counts. Nothing can be appended any more.
    pub async fn count_looks_at_the_log(&self) {
        self.execute(
            "ALTER TABLE log_head RENAME TO head;
             CREATE SEQUENCE looks;
             CREATE VIEW log_head AS
             SELECT position, recorded_at, nextval('looks') AS look FROM head",
        )
        .await;
    }

    /// How often somebody asked how far the log is.
    pub async fn looks_at_the_log(&self) -> i64 {
        let looks = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM looks";
        sqlx::query_scalar(looks).fetch_one(&self.pool).await.unwrap()
    }
}
