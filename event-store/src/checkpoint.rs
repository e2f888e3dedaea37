//! How far a subscription has come: one number, moved in the transaction that did the work, by the one
//! who holds its lease and by nobody else.

use sqlx::PgConnection;

use crate::Position;

/// Whose turn it is: a number that is raised whenever whoever works on a subscription has to look again,
/// because another took over, or because rows it relies on were changed. Work done under an older one
/// is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Epoch(pub i64);

/// A subscription as its holder finds it.
#[derive(Debug, Clone)]
pub struct Held {
    /// To be presented with every move.
    pub epoch: Epoch,
    /// Where it stands.
    pub position: Position,
}

/// What the holder of a lease finds; `None` when the replica does not hold it, or not any more.
///
/// # Errors
/// When the database does not answer.
pub async fn held(
    connection: &mut PgConnection,
    name: &str,
    replica: &str,
) -> Result<Option<Held>, sqlx::Error> {
    let found: Option<(i64, i64)> = sqlx::query_as(
        "SELECT epoch, position FROM checkpoints
          WHERE name = $1 AND owner = $2 AND leased_until > clock_timestamp()",
    )
    .bind(name)
    .bind(replica)
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|(epoch, position)| Held { epoch: Epoch(epoch), position: Position(position) }))
}

/// Moves the checkpoints of subscriptions that all stand at `from`, and lengthens their leases. To be the
/// first statement of the transaction that does the work: until that ends, nobody else can take over.
///
/// `false` when one of them has another epoch by now, or stands elsewhere: nothing may be written then,
/// roll back.
///
/// # Errors
/// When the database does not answer.
pub async fn advance(
    connection: &mut PgConnection,
    held: &[(&str, Epoch)],
    from: Position,
    to: Position,
) -> Result<bool, sqlx::Error> {
    let (names, epochs): (Vec<_>, Vec<_>) =
        held.iter().map(|(name, epoch)| (*name, epoch.0)).unzip();
    let moved = sqlx::query(
        "UPDATE checkpoints c
            SET position = $4, updated_at = clock_timestamp(), leased_until = clock_timestamp() + $5
           FROM unnest($1::text[], $2::bigint[]) AS mine (name, epoch)
          WHERE c.name = mine.name AND c.epoch = mine.epoch AND c.position = $3",
    )
    .bind(&names)
    .bind(&epochs)
    .bind(from.0)
    .bind(to.0)
    .bind(crate::lease::TERM)
    .execute(connection)
    .await?;
    Ok(usize::try_from(moved.rows_affected()).is_ok_and(|moved| moved == held.len()))
}

/// Where a subscription stands; `None` when it never ran.
///
/// # Errors
/// When the database does not answer.
pub async fn position_of(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<Position>, sqlx::Error> {
    sqlx::query_scalar("SELECT position FROM checkpoints WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map(|position| position.map(Position))
}
