//! How far a subscription has come: one number, saved in the transaction that did the work.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::Position;

/// Takes the checkpoints of some subscriptions for this transaction, so that one runner at a time does
/// their work; their positions in the order of `names`.
///
/// `None` when another runner holds one of them: roll back, what was taken is free again. A subscription
/// not seen before starts at position zero.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(
    connection: &mut PgConnection,
    names: &[&str],
) -> Result<Option<Vec<Position>>, sqlx::Error> {
    if let Some(positions) = try_lock(connection, names).await? {
        return Ok(Some(positions));
    }
    sqlx::query(
        "INSERT INTO checkpoints (name, position) SELECT unnest($1), 0 ON CONFLICT DO NOTHING",
    )
    .bind(names)
    .execute(&mut *connection)
    .await?;
    try_lock(connection, names).await
}

async fn try_lock(
    connection: &mut PgConnection,
    names: &[&str],
) -> Result<Option<Vec<Position>>, sqlx::Error> {
    let locked: HashMap<String, i64> = sqlx::query_as(
        "SELECT name, position FROM checkpoints WHERE name = ANY ($1)
          ORDER BY name FOR UPDATE SKIP LOCKED",
    )
    .bind(names)
    .fetch_all(connection)
    .await?
    .into_iter()
    .collect();
    Ok(names.iter().map(|name| locked.get(*name).copied().map(Position)).collect())
}

/// Moves locked checkpoints forward; never backward.
///
/// # Errors
/// When the database does not answer.
pub async fn advance(
    connection: &mut PgConnection,
    names: &[&str],
    to: Position,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE checkpoints SET position = $2, updated_at = now()
          WHERE name = ANY ($1) AND position < $2",
    )
    .bind(names)
    .bind(to.0)
    .execute(connection)
    .await?;
    Ok(())
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
