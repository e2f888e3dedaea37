//! Readers that a switch has to wait for.

use sqlx::{FromRow, PgConnection};

use super::schema;

/// A transaction that has been reading for a while.
#[derive(Debug, Clone, Copy, PartialEq, FromRow)]
pub(super) struct Reader {
    pub(super) pid: i32,
    /// For how long, in seconds.
    pub(super) seconds: f64,
}

/// The oldest transaction that began more than half a second ago and that either has a lock on one of the
/// tables or sees the database as it was: a switch would have to wait for it, and hold others up.
pub(super) async fn oldest(
    connection: &mut PgConnection,
    tables: &[&str],
) -> sqlx::Result<Option<Reader>> {
    let names: Vec<_> = tables.iter().map(|table| format!("{}.{table}", schema::LIVE)).collect();
    sqlx::query_as(
        "SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
           FROM pg_stat_activity a
          WHERE datname = current_database() AND backend_type = 'client backend'
            AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '500 ms'
            AND (backend_xmin IS NOT NULL
                 OR EXISTS (SELECT FROM pg_locks l
                             WHERE l.pid = a.pid AND l.granted
                               AND l.relation IN (SELECT to_regclass(n) FROM unnest($1) AS n)))
          ORDER BY xact_start LIMIT 1",
    )
    .bind(names)
    .fetch_optional(connection)
    .await
}

/// A transaction that may not see what was committed right before this was asked.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Snapshot {
    pid: i32,
    began: String,
    xmin: String,
}

/// All of those, or, of some, those that still are.
pub(super) async fn snapshots(
    connection: &mut PgConnection,
    of: Option<&[Snapshot]>,
) -> sqlx::Result<Vec<Snapshot>> {
    let found: Vec<Snapshot> = sqlx::query_as(
        "SELECT pid, xact_start::text AS began, backend_xmin::text AS xmin FROM pg_stat_activity
          WHERE datname = current_database() AND backend_type = 'client backend'
            AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL",
    )
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().filter(|it| of.is_none_or(|of| of.contains(it))).collect())
}
