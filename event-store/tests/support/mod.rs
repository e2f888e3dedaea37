//! A throw-away database per test, and small builders.

#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::worker::{Surface, WorkerCommand};
use domain::{StatusReport, StatusType, WorkerId};
use event_store::{Actor, CommandContext, EventStore, LogOptions, MIGRATOR, RecordedEvent};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

/// A database of its own, migrated; dropped with [`Database::drop`].
pub struct Database {
    admin: PgConnectOptions,
    name: String,
    pub options: PgConnectOptions,
    pub pool: PgPool,
}

impl Database {
    pub async fn create() -> Self {
        let url = std::env::var("MANMAN_TEST_POSTGRES_URL")
            .expect("MANMAN_TEST_POSTGRES_URL is not set: run the tests with ./dev test");
        let admin: PgConnectOptions = url.parse().unwrap();
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect_with(&admin).await.unwrap();
        sqlx::query(&format!("CREATE DATABASE {name}")).execute(&mut connection).await.unwrap();
        let options = admin.clone().database(&name);
        let pool = Self::pool_with(&options).await;
        MIGRATOR.run(&pool).await.unwrap();
        Self { admin, name, options, pool }
    }

    pub async fn pool_with(options: &PgConnectOptions) -> PgPool {
        PgPoolOptions::new()
            .max_connections(20)
            .acquire_timeout(Duration::from_secs(20))
            .connect_with(options.clone())
            .await
            .unwrap()
    }

    /// A second process's view: a pool and store of its own on the same database.
    pub async fn another_store(&self) -> EventStore {
        EventStore::start(Self::pool_with(&self.options).await, LogOptions::default())
    }

    pub async fn all_events(&self) -> Vec<RecordedEvent> {
        let mut connection = self.pool.acquire().await.unwrap();
        let (mut events, mut after) = (Vec::new(), event_store::Position(0));
        loop {
            let chunk = event_store::read_after(&mut connection, after, 50_000).await.unwrap();
            let Some(last) = chunk.last() else { return events };
            after = last.position;
            events.extend(chunk);
        }
    }

    pub async fn drop(self) {
        self.pool.close().await;
        let mut connection = PgConnection::connect_with(&self.admin).await.unwrap();
        sqlx::query(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

pub fn context() -> CommandContext {
    CommandContext::new(Actor::system("test"), Uuid::now_v7())
}

pub fn at(micros: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::Duration::microseconds(micros)
}

pub fn register(id: i32) -> WorkerCommand {
    register_over(Surface::V1, id, None)
}

pub fn register_as(id: i32, name: &str) -> WorkerCommand {
    register_over(Surface::Native, id, Some(name.to_owned()))
}

fn register_over(surface: Surface, id: i32, name: Option<String>) -> WorkerCommand {
    WorkerCommand::Register { worker_id: WorkerId(id), surface, name, agent: None, at: at(0) }
}

/// A report that identifies itself by its instant.
pub fn report(micros: i64) -> WorkerCommand {
    WorkerCommand::ReportStatus(StatusReport {
        status: StatusType::Running,
        as_of: at(micros),
        received_at: at(micros),
    })
}
