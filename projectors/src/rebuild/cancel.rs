//! The end of rebuilds that nobody wants any more.

use event_store::rebuilding;
use sqlx::{Connection, PgPool};

use super::hold::projection_of;
use super::twin::tables;
use super::{RebuildError, schema, session};
use crate::projection::ProjectionInfo;

/// Ends rebuilds, running ones too, and removes what they made; returns of which projections there was one.
///
/// # Errors
/// See [`RebuildError`].
pub async fn cancel(
    pool: &PgPool,
    projections: &[ProjectionInfo],
) -> Result<Vec<&'static str>, RebuildError> {
    let mut connection = session(pool, "public").await?;
    let names: Vec<_> = projections.iter().map(|it| rebuilding::checkpoint(it.name)).collect();
    // Committed before the tables are dropped, which waits for whoever has one in hand: it is to learn that
    // it is over.
    let mut transaction = connection.begin().await?;
    let cancelled = rebuilding::cancel(&mut transaction, &names).await?;
    transaction.commit().await?;
    let is_cancelled =
        |it: &&ProjectionInfo| cancelled.iter().any(|name| projection_of(name) == it.name);
    let gone: Vec<_> = projections.iter().filter(is_cancelled).copied().collect();
    let mut transaction = connection.begin().await?;
    schema::lock(&mut transaction).await?;
    // Where somebody was quick to begin anew, the tables are that one's.
    let begun = rebuilding::checkpoints(&mut transaction).await?;
    let is_begun = |it: &ProjectionInfo| {
        begun.iter().any(|checkpoint| checkpoint.name == rebuilding::checkpoint(it.name))
    };
    let left: Vec<_> = projections.iter().filter(|it| !is_begun(it)).copied().collect();
    schema::drop_tables(&mut transaction, schema::NEXT, &tables(&left)).await?;
    transaction.commit().await?;
    Ok(gone.iter().map(|projection| projection.name).collect())
}
