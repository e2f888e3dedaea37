//! A throw-away database.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::Proxy;

pub struct Database {
    admin: PgConnectOptions,
    name: String,
    pub pool: PgPool,
}

impl Database {
    /// Migrated, and with projectors that are never behind: tests put into read models what they need.
    pub async fn create() -> Self {
        let url = std::env::var("MANMAN_TEST_POSTGRES_URL").expect(
            "MANMAN_TEST_POSTGRES_URL must be the URL of a PostgreSQL to test against; `./dev test` \
             starts one and sets it",
        );
        let admin: PgConnectOptions = url.parse().unwrap();
        let name = format!("test_{}", Uuid::now_v7().simple());
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        let pool = pool(admin.clone().database(&name), Duration::from_secs(20)).await;
        event_store::MIGRATOR.run(&pool).await.unwrap();
        sqlx::query("INSERT INTO checkpoints (name, position) VALUES ('projector.test', $1)")
            .bind(i64::MAX)
            .execute(&pool)
            .await
            .unwrap();
        Self { admin, name, pool }
    }

    /// A pool whose connections go through a proxy that can be cut.
    pub async fn behind(&self, proxy: &Proxy) -> PgPool {
        let through = self.admin.clone().database(&self.name).host("127.0.0.1").port(proxy.port);
        pool(through, Duration::from_millis(500)).await
    }

    /// Where a proxy has to lead.
    pub fn address(&self) -> (String, u16) {
        (self.admin.get_host().to_owned(), self.admin.get_port())
    }

    pub async fn drop(self) {
        self.pool.close().await;
        execute(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn pool(options: PgConnectOptions, patience: Duration) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(10).acquire_timeout(patience);
    pool.connect_with(options).await.unwrap()
}

async fn execute(admin: &PgConnectOptions, sql: &str) {
    let mut connection = PgConnection::connect_with(admin).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
