//! How far a subscription has come: one number, saved in the transaction that did the work.

use sqlx::PgConnection;

use crate::Position;

/// Takes a subscription's checkpoint for this transaction, so that one runner at a time does its work.
///
/// `None` when another runner holds it. A subscription not seen before starts at position zero.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<Position>, sqlx::Error> {
    const TRY_LOCK: &str =
        "SELECT position FROM checkpoints WHERE name = $1 FOR UPDATE SKIP LOCKED";
    if let Some(position) =
        sqlx::query_scalar(TRY_LOCK).bind(name).fetch_optional(&mut *connection).await?
    {
        return Ok(Some(Position(position)));
    }
    sqlx::query("INSERT INTO checkpoints (name, position) VALUES ($1, 0) ON CONFLICT DO NOTHING")
        .bind(name)
        .execute(&mut *connection)
        .await?;
    let position = sqlx::query_scalar(TRY_LOCK).bind(name).fetch_optional(connection).await?;
    Ok(position.map(Position))
}

/// Moves a locked checkpoint forward; never backward.
///
/// # Errors
/// When the database does not answer.
pub async fn advance(
    connection: &mut PgConnection,
    name: &str,
    to: Position,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE checkpoints SET position = $2, updated_at = now() WHERE name = $1 AND position < $2",
    )
    .bind(name)
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
