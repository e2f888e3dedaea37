//! A fresh database per row, so that rows do not feel each other's tables.

use anyhow::{Context, Result};
use event_store::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use crate::settings::Settings;

/// A database of its own; dropped by [`Database::drop`].
pub struct Database {
    admin: PgConnectOptions,
    options: PgConnectOptions,
    name: String,
    /// Connections to it.
    pub pool: PgPool,
}

impl Database {
    /// Creates an empty database.
    pub async fn bare(settings: &Settings) -> Result<Self> {
        let admin: PgConnectOptions =
            settings.postgres_url.parse().context("MANMAN_BENCH_POSTGRES_URL")?;
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        let mut connection = PgConnection::connect_with(&admin).await?;
        sqlx::query(&format!("CREATE DATABASE {name}")).execute(&mut connection).await?;
        let options = admin.clone().database(&name);
        let pool = PgPoolOptions::new().max_connections(20).connect_with(options.clone()).await?;
        Ok(Self { admin, options, name, pool })
    }

    /// Creates a database with every migration applied.
    pub async fn migrated(settings: &Settings) -> Result<Self> {
        let database = Self::bare(settings).await?;
        MIGRATOR.run(&database.pool).await?;
        Ok(database)
    }

    /// Its URL, for other processes; without the parameters that only sqlx knows.
    pub fn url(&self) -> String {
        let mut url = self.options.to_url_lossy();
        url.set_query(None);
        url.to_string()
    }

    /// Drops it.
    pub async fn drop(self) -> Result<()> {
        self.pool.close().await;
        let mut connection = PgConnection::connect_with(&self.admin).await?;
        sqlx::query(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .execute(&mut connection)
            .await?;
        Ok(())
    }
}
