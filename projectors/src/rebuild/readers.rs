//! Readers that a switch has to wait for.

use sqlx::{Connection, Executor, FromRow, PgConnection};

use super::schema;
use crate::lease::is_lock_timeout;

/// A transaction that has been reading for a while.
#[derive(Debug, Clone, Copy, PartialEq, FromRow)]
pub(super) struct Reader {
    pub(super) pid: i32,
    /// For how long, in seconds.
    pub(super) seconds: f64,
    /// It gives way when it is asked to, unless it is an urgent one.
    pub(super) is_autovacuum: bool,
}

/// The oldest transaction that began more than half a second ago and that either has a lock on one of the
/// tables, or of those that are to take their place, or sees the database as it was: a switch would have to
/// wait for it, and hold others up. One of autovacuum only if there is no other.
///
/// Since when a transaction of another role lasts is seen with the rights of `pg_read_all_stats` only. One
/// that cannot be seen here is still found, by [`snapshots`] or by its lock, when live rows stand still already.
pub(super) async fn oldest(
    connection: &mut PgConnection,
    tables: &[&str],
) -> sqlx::Result<Option<Reader>> {
    let of = |schema: &'static str| tables.iter().map(move |table| format!("{schema}.{table}"));
    let names: Vec<_> = of(schema::LIVE).chain(of(schema::NEXT)).collect();
    sqlx::query_as(
        "SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
                coalesce(backend_type = 'autovacuum worker', false) AS is_autovacuum
           FROM pg_stat_activity a
          WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND xact_start < clock_timestamp() - interval '500 ms'
            AND (backend_xmin IS NOT NULL AND backend_type = 'client backend'
                 OR EXISTS (SELECT FROM pg_locks l
                             WHERE l.pid = a.pid AND l.granted
                               AND l.relation IN (SELECT to_regclass(n) FROM unnest($1) AS n)))
          ORDER BY is_autovacuum, xact_start LIMIT 1",
    )
    .bind(names)
    .fetch_optional(connection)
    .await
}

/// For how long to ask for a lock that autovacuum has: it lets go after a second (`deadlock_timeout`).
const VACUUM_LOCK_TIMEOUT: &str = "3s";

/// Ends what autovacuum does with the tables and with those that are to take their place; neither readers nor
/// writers notice. The locks of the switch itself are not waited for as long as autovacuum takes to give way.
pub(super) async fn evict_vacuum(
    connection: &mut PgConnection,
    tables: &[&str],
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    let setting = format!("SET LOCAL lock_timeout = '{VACUUM_LOCK_TIMEOUT}'");
    transaction.execute(setting.as_str()).await?;
    match schema::lock_both(&mut transaction, tables, "SHARE UPDATE EXCLUSIVE").await {
        // One that does not give way is found among those that are waited for.
        Err(error) if !is_lock_timeout(&error) => Err(error),
        _ => transaction.rollback().await,
    }
}

/// A transaction that may not see what was committed right before this was asked.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Snapshot {
    pid: i32,
    /// `None` when that is not to be seen.
    began: Option<String>,
    xmin: String,
}

/// All of those, or, of some, those that still are.
///
/// Of another role's session only process, role and `backend_xmin` are seen without the rights of
/// `pg_read_all_stats`: such a one may be a reader (autovacuum has no role). The next of its transactions may look
/// the same, until anything is committed; at worst the switch is tried again.
pub(super) async fn snapshots(
    connection: &mut PgConnection,
    of: Option<&[Snapshot]>,
) -> sqlx::Result<Vec<Snapshot>> {
    let found: Vec<Snapshot> = sqlx::query_as(
        "SELECT pid, xact_start::text AS began, backend_xmin::text AS xmin FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
            AND (backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL)",
    )
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().filter(|it| of.is_none_or(|of| of.contains(it))).collect())
}
