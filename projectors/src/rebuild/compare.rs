//! Whether rebuilt read models equal the live ones.

use event_store::Position;
use sqlx::{PgConnection, PgPool};

use super::twin::{TEMPORARY, fill_temporary, side_by_side};
use super::{Progress, RebuildError, Tell, schema};
use crate::projection::ProjectionInfo;

/// One table, live and rebuilt, at the same position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableComparison {
    /// The projection that fills it.
    pub projection: &'static str,
    /// The table.
    pub table: &'static str,
    /// The position that both show.
    pub position: Position,
    /// How many rows the live one has.
    pub rows: i64,
    /// How many rows the rebuilt one has.
    pub rebuilt_rows: i64,
    /// Of the live one: 32 hexadecimal digits that follow from all its rows, in whatever order.
    pub hash: String,
    /// Of the rebuilt one.
    pub rebuilt_hash: String,
    /// Rows of the live one that the rebuilt one does not have.
    pub only_live: i64,
    /// Rows of the rebuilt one that the live one does not have.
    pub only_rebuilt: i64,
}

impl TableComparison {
    /// Whether they are the same rows.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.hash == self.rebuilt_hash
    }
}

/// Fills read models anew, in tables that nobody else sees, and compares them with the live ones.
///
/// The projectors go on meanwhile: live rows are seen as they are at one moment, and the rebuilt ones
/// brought to the position they show then. Several of these may run at once, beside a rebuild, too.
/// Nothing is left behind, also when this is dropped half-way or the process is killed.
///
/// # Errors
/// See [`RebuildError`].
pub async fn verify(
    pool: &PgPool,
    projections: &[ProjectionInfo],
    tell: &mut Tell<'_>,
) -> Result<Vec<TableComparison>, RebuildError> {
    let (mut connection, twins) = fill_temporary(pool, projections, tell).await?;
    let (mut transaction, live) = side_by_side(&mut connection, pool, &twins, tell).await?;
    let mut comparisons = Vec::new();
    for (twin, position) in twins.iter().zip(live) {
        for table in twin.projection.tables {
            tell(Progress::Comparing { table });
            let projection = twin.projection.name;
            comparisons.push(compare_table(&mut transaction, projection, table, position).await?);
        }
    }
    transaction.rollback().await?;
    Ok(comparisons)
}

async fn compare_table(
    connection: &mut PgConnection,
    projection: &'static str,
    table: &'static str,
    position: Position,
) -> sqlx::Result<TableComparison> {
    let (live, rebuilt) = (format!("{}.{table}", schema::LIVE), format!("{TEMPORARY}.{table}"));
    let (rows, hash) = count_and_hash(connection, &live).await?;
    let (rebuilt_rows, rebuilt_hash) = count_and_hash(connection, &rebuilt).await?;
    // Costs far more than the hashes, so it is only asked where there is something to count.
    let (only_live, only_rebuilt) =
        if hash == rebuilt_hash { (0, 0) } else { surplus(connection, &live, &rebuilt).await? };
    Ok(TableComparison {
        projection,
        table,
        position,
        rows,
        rebuilt_rows,
        hash,
        rebuilt_hash,
        only_live,
        only_rebuilt,
    })
}

/// How many rows a table has, and a hash of them. Sums do not depend on an order, so nothing is sorted;
/// two of 64 bits each leave nothing to chance.
async fn count_and_hash(connection: &mut PgConnection, table: &str) -> sqlx::Result<(i64, String)> {
    sqlx::query_as(&format!(
        "SELECT count(*), md5(concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)),
                                        sum(hashtextextended(t::text, 1))))
           FROM {table} AS t"
    ))
    .fetch_one(connection)
    .await
}

/// How many rows of either the other does not have.
async fn surplus(
    connection: &mut PgConnection,
    live: &str,
    rebuilt: &str,
) -> sqlx::Result<(i64, i64)> {
    let without = |one: &str, other: &str| {
        format!("SELECT t::text FROM {one} AS t EXCEPT ALL SELECT t::text FROM {other} AS t")
    };
    sqlx::query_as(&format!(
        "SELECT (SELECT count(*) FROM ({}) AS only_live),
                (SELECT count(*) FROM ({}) AS only_rebuilt)",
        without(live, rebuilt),
        without(rebuilt, live)
    ))
    .fetch_one(connection)
    .await
}
