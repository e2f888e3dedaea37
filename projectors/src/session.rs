//! Database sessions of those who follow the log.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};

/// A connection of one's own that fills a schema.
///
/// It does not wait for its commits to reach the disk: a crash loses the newest rows and their
/// checkpoint together, never apart, and the log, which is not affected, fills them again.
///
/// A transaction in which nothing happens for a second ends: a process that is stopped half-way through a
/// batch must not keep its rows from whoever takes over.
pub(crate) async fn connect(pool: &PgPool, schema: &str) -> sqlx::Result<PgConnection> {
    let options = PgConnectOptions::clone(&Arc::clone(&pool.connect_options()));
    let search_path = format!("{schema},public");
    let options = options.options([
        ("search_path", search_path.as_str()),
        ("synchronous_commit", "off"),
        ("idle_in_transaction_session_timeout", "1s"),
    ]);
    PgConnection::connect_with(&options).await
}
