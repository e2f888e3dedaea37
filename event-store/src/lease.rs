//! Who works on which subscription. A lease is a replica's name on a checkpoint, for a short time that
//! it has to lengthen; whoever takes over raises the epoch, so that what the one before still has in
//! hand is refused. All times are the database's.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use crate::{Epoch, Position};

/// How long a lease lasts without being lengthened. With what it takes to notice that, a dead replica is
/// replaced within three seconds.
pub const TERM: Duration = Duration::from_millis(1_600);
/// For how long one that is not heard of any more is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// One of several that share subscriptions.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Unlike all others, also after a restart of the same program.
    pub name: String,
    /// What it shares: replicas of one kind can do the same.
    pub kind: &'static str,
}

/// The subscriptions of a kind at one moment.
#[derive(Debug, Clone)]
pub struct Leases {
    /// How many replicas of the kind are alive, the asking one included.
    pub replicas: usize,
    /// Whether another one has less than its share and found nothing free.
    pub is_other_hungry: bool,
    /// The last position of the log.
    pub head: Position,
    /// Those that were asked for, by name.
    pub subscriptions: Vec<Leased>,
}

/// A subscription and its lease.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Leased {
    /// Its name.
    pub name: String,
    /// Who holds it, or held it last.
    pub owner: Option<String>,
    /// Whether that is the asking replica.
    pub is_mine: bool,
    /// Whether anybody may take it.
    pub is_free: bool,
    /// Its present epoch.
    #[sqlx(try_from = "i64")]
    pub epoch: Epoch,
    /// Where it stands.
    #[sqlx(try_from = "i64")]
    pub position: Position,
    /// The version of the rule by which it came there; `None` when nobody has said so.
    pub version: Option<i32>,
}

impl From<i64> for Epoch {
    fn from(epoch: i64) -> Self {
        Self(epoch)
    }
}

/// Says that the replica is alive, lengthens what it holds, and looks at what there is. Subscriptions not
/// seen before begin at position zero.
///
/// A lease whose row is locked is left as it is: the transaction that has it lengthens it itself.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(
    connection: &mut PgConnection,
    replica: &Replica,
    is_hungry: bool,
    names: &[String],
) -> sqlx::Result<Leases> {
    sqlx::query(
        "WITH alive AS (
             INSERT INTO replicas AS r (replica, kind, seen_until, is_hungry)
             VALUES ($1, $2, clock_timestamp() + $4, $3)
             ON CONFLICT (replica) DO UPDATE
                SET seen_until = excluded.seen_until, is_hungry = excluded.is_hungry
         ), mine AS (
             SELECT name FROM checkpoints WHERE owner = $1 ORDER BY name FOR UPDATE SKIP LOCKED
         )
         UPDATE checkpoints c SET leased_until = clock_timestamp() + $4 FROM mine WHERE c.name = mine.name",
    )
    .bind(&replica.name)
    .bind(replica.kind)
    .bind(is_hungry)
    .bind(TERM)
    .execute(&mut *connection)
    .await?;
    let subscriptions = look(connection, &replica.name, names).await?;
    let subscriptions = if subscriptions.len() < names.len() {
        sqlx::query(
            "INSERT INTO checkpoints (name, position) SELECT unnest($1), 0 ON CONFLICT DO NOTHING",
        )
        .bind(names)
        .execute(&mut *connection)
        .await?;
        look(connection, &replica.name, names).await?
    } else {
        subscriptions
    };
    let (others, is_other_hungry, head): (i64, bool, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(bool_or(is_hungry), false), (SELECT position FROM log_head)
           FROM replicas WHERE kind = $1 AND replica <> $2 AND seen_until > clock_timestamp()",
    )
    .bind(replica.kind)
    .bind(&replica.name)
    .fetch_one(connection)
    .await?;
    Ok(Leases {
        replicas: usize::try_from(others).unwrap_or_default() + 1,
        is_other_hungry,
        head: Position(head),
        subscriptions,
    })
}

async fn look(
    connection: &mut PgConnection,
    replica: &str,
    names: &[String],
) -> sqlx::Result<Vec<Leased>> {
    sqlx::query_as(
        "SELECT name, owner, epoch, position, version,
                coalesce(owner = $1, false) AS is_mine,
                owner IS NULL OR leased_until IS NULL OR leased_until < clock_timestamp() AS is_free
           FROM checkpoints WHERE name = ANY ($2) ORDER BY name",
    )
    .bind(replica)
    .bind(names)
    .fetch_all(connection)
    .await
}

/// Takes a lease that is free. `None` when another was first, or the epoch is no longer the one that was
/// seen.
///
/// Waits for a transaction that still has the row: what that commits is done before this takes over.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    connection: &mut PgConnection,
    replica: &Replica,
    name: &str,
    seen: Epoch,
) -> sqlx::Result<Option<Epoch>> {
    let taken: Option<i64> = sqlx::query_scalar(
        "UPDATE checkpoints
            SET owner = $1, epoch = epoch + 1, leased_until = clock_timestamp() + $4
          WHERE name = $2 AND epoch = $3 AND (owner IS NULL OR leased_until < clock_timestamp())
         RETURNING epoch",
    )
    .bind(&replica.name)
    .bind(name)
    .bind(seen.0)
    .bind(TERM)
    .fetch_optional(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM replicas WHERE seen_until < clock_timestamp() - $1::interval")
        .bind(REMEMBERED)
        .execute(connection)
        .await?;
    Ok(taken.map(Epoch))
}

/// Takes a lease whoever holds it: what that one has in hand is refused from now on. For whoever
/// replaces the rows themselves.
///
/// # Errors
/// When the database does not answer.
pub async fn seize(
    connection: &mut PgConnection,
    owner: &str,
    name: &str,
    term: Duration,
) -> sqlx::Result<Option<crate::Held>> {
    let seized: Option<(i64, i64)> = sqlx::query_as(
        "UPDATE checkpoints SET owner = $1, epoch = epoch + 1, leased_until = clock_timestamp() + $3
          WHERE name = $2 RETURNING epoch, position",
    )
    .bind(owner)
    .bind(name)
    .bind(term)
    .fetch_optional(connection)
    .await?;
    Ok(seized
        .map(|(epoch, position)| crate::Held { epoch: Epoch(epoch), position: Position(position) }))
}

/// Gives leases back, so that another need not wait until they end.
///
/// # Errors
/// When the database does not answer.
pub async fn give_back(
    connection: &mut PgConnection,
    owner: &str,
    names: &[String],
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE checkpoints SET owner = NULL, leased_until = NULL, epoch = epoch + 1
          WHERE owner = $1 AND name = ANY ($2)",
    )
    .bind(owner)
    .bind(names)
    .execute(connection)
    .await?;
    Ok(())
}

/// Says farewell: gives everything back, and does not count any more.
///
/// # Errors
/// When the database does not answer.
pub async fn leave(connection: &mut PgConnection, replica: &Replica) -> sqlx::Result<()> {
    sqlx::query(
        "WITH gone AS (DELETE FROM replicas WHERE replica = $1)
         UPDATE checkpoints SET owner = NULL, leased_until = NULL, epoch = epoch + 1 WHERE owner = $1",
    )
    .bind(&replica.name)
    .execute(connection)
    .await?;
    Ok(())
}

/// Says by which version of a rule a subscription's rows are made, where nobody has.
///
/// # Errors
/// When the database does not answer.
pub async fn adopt(connection: &mut PgConnection, name: &str, version: i32) -> sqlx::Result<()> {
    sqlx::query("UPDATE checkpoints SET version = $2 WHERE name = $1 AND version IS NULL")
        .bind(name)
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
}
