//! Rebuilds in progress. Each has a checkpoint of its own, `rebuild.<projection>`: how far the rebuilt rows
//! are, and whose lease that is. It is there from the beginning of a rebuild to the switch, or until
//! somebody cancels it.

use sqlx::{FromRow, PgConnection};

use crate::{Epoch, Position};

/// The names of checkpoints of rebuilds in progress begin with this.
pub(crate) const PREFIX: &str = "rebuild.";

/// The name of the checkpoint of a projection's rebuild.
#[must_use]
pub fn checkpoint(projection: &str) -> String {
    format!("{PREFIX}{projection}")
}

/// Whether a subscription is a rebuild.
#[must_use]
pub fn is_rebuild(subscription: &str) -> bool {
    subscription.starts_with(PREFIX)
}

/// A checkpoint and its lease at one moment.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// Where it stands.
    #[sqlx(try_from = "i64")]
    pub position: Position,
    /// The version of the rule by which it came there; `None` when nobody has said so.
    pub version: Option<i32>,
    /// Who holds its lease, or held it last.
    pub owner: Option<String>,
    /// The epoch of the lease.
    #[sqlx(try_from = "i64")]
    pub epoch: Epoch,
    /// Whether the lease lasts.
    pub is_held: bool,
}

/// All checkpoints, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn checkpoints(connection: &mut PgConnection) -> sqlx::Result<Vec<Checkpoint>> {
    sqlx::query_as(
        "SELECT name, position, version, owner, epoch,
                owner IS NOT NULL AND coalesce(leased_until > clock_timestamp(), false) AS is_held
           FROM checkpoints ORDER BY name",
    )
    .fetch_all(connection)
    .await
}

/// Begins rebuilds by making their checkpoints, leased to `owner`; returns which and with which epoch.
/// One that is in progress is not among them: then roll back.
///
/// The epoch is one that no earlier rebuild had: transaction ids only grow, and each takeover takes one.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    transaction: &mut PgConnection,
    owner: &str,
    rebuilds: &[(String, i32)],
) -> sqlx::Result<Vec<(String, Epoch)>> {
    let (names, versions): (Vec<_>, Vec<_>) =
        rebuilds.iter().map(|(name, version)| (name.as_str(), *version)).unzip();
    let begun: Vec<(String, i64)> = sqlx::query_as(
        "INSERT INTO checkpoints (name, position, version, owner, epoch, leased_until)
         SELECT name, 0, version, $1, pg_current_xact_id()::text::bigint, clock_timestamp() + $4
           FROM unnest($2::text[], $3::int[]) AS r (name, version) ORDER BY name
         ON CONFLICT DO NOTHING
         RETURNING name, epoch",
    )
    .bind(owner)
    .bind(names)
    .bind(versions)
    .bind(crate::lease::TERM)
    .fetch_all(transaction)
    .await?;
    Ok(begun.into_iter().map(|(name, epoch)| (name, Epoch(epoch))).collect())
}

/// Lengthens leases. One whose row is locked is left as it is: the transaction that has it lengthens it
/// itself, before it ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lengthen(connection: &mut PgConnection, held: &[(String, Epoch)]) -> sqlx::Result<()> {
    let (names, epochs): (Vec<_>, Vec<_>) =
        held.iter().map(|(name, epoch)| (name.as_str(), epoch.0)).unzip();
    sqlx::query(
        "WITH mine AS (
             SELECT c.name FROM checkpoints c
               JOIN unnest($1::text[], $2::bigint[]) AS m (name, epoch) USING (name, epoch)
              ORDER BY c.name FOR UPDATE OF c SKIP LOCKED
         )
         UPDATE checkpoints c SET leased_until = clock_timestamp() + $3 FROM mine WHERE c.name = mine.name",
    )
    .bind(names)
    .bind(epochs)
    .bind(crate::lease::TERM)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends rebuilds: their checkpoints are gone, with what they have parked, and whoever works on one is
/// refused from then on. Returns which there were.
///
/// Waits for a transaction that still has one.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel(transaction: &mut PgConnection, names: &[String]) -> sqlx::Result<Vec<String>> {
    let cancelled =
        sqlx::query_scalar("DELETE FROM checkpoints WHERE name = ANY ($1) RETURNING name")
            .bind(names)
            .fetch_all(&mut *transaction)
            .await?;
    sqlx::query("DELETE FROM parked_events WHERE subscription = ANY ($1)")
        .bind(names)
        .execute(transaction)
        .await?;
    Ok(cancelled)
}

/// One rebuild that takes the place of what is shown.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The checkpoint of the rebuild.
    pub rebuild: String,
    /// Its epoch.
    pub rebuild_epoch: Epoch,
    /// The checkpoint of the projection that is shown.
    pub shown: String,
    /// Its epoch, as it was seized.
    pub shown_epoch: Epoch,
    /// Where the rebuilt rows stand.
    pub position: Position,
    /// The version of their rule.
    pub version: i32,
}

/// Puts rebuilds in the place of what is shown, as far as checkpoints and parked events go; the leases are
/// given back with that. To be the first statement of the transaction in which the tables are switched.
///
/// `false` when one of the leases is another's by now: nothing may be switched then, roll back.
///
/// # Errors
/// When the database does not answer.
pub async fn replace(
    transaction: &mut PgConnection,
    replacements: &[Replacement],
) -> sqlx::Result<bool> {
    for it in replacements {
        let shown = sqlx::query(
            "UPDATE checkpoints
                SET position = $3, version = $4, epoch = epoch + 1, owner = NULL, leased_until = NULL,
                    updated_at = clock_timestamp()
              WHERE name = $1 AND epoch = $2 AND position <= $3",
        )
        .bind(&it.shown)
        .bind(it.shown_epoch.0)
        .bind(it.position.0)
        .bind(it.version)
        .execute(&mut *transaction)
        .await?;
        let rebuilt =
            sqlx::query("DELETE FROM checkpoints WHERE name = $1 AND epoch = $2 AND position = $3")
                .bind(&it.rebuild)
                .bind(it.rebuild_epoch.0)
                .bind(it.position.0)
                .execute(&mut *transaction)
                .await?;
        if shown.rows_affected() + rebuilt.rows_affected() < 2 {
            return Ok(false);
        }
        for statement in [
            // What somebody wants tried again is still to be tried.
            "UPDATE parked_events next SET retry_requested_at = shown.retry_requested_at
               FROM (SELECT aggregate_type, aggregate_id, max(retry_requested_at) AS retry_requested_at
                       FROM parked_events WHERE subscription = $1
                      GROUP BY aggregate_type, aggregate_id) shown
              WHERE next.subscription = $2 AND shown.retry_requested_at IS NOT NULL
                AND next.aggregate_type = shown.aggregate_type
                AND next.aggregate_id = shown.aggregate_id",
            "DELETE FROM parked_events WHERE subscription = $1 AND $1 <> $2",
            "UPDATE parked_events SET subscription = $1 WHERE subscription = $2",
        ] {
            let query = sqlx::query(statement).bind(&it.shown).bind(&it.rebuild);
            query.execute(&mut *transaction).await?;
        }
    }
    Ok(true)
}

/// Makes sure that a subscription has a checkpoint; a new one begins at position zero.
///
/// # Errors
/// When the database does not answer.
pub async fn ensure(connection: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO checkpoints (name, position) VALUES ($1, 0) ON CONFLICT DO NOTHING")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
