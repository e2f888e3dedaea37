//! Whether a rebuilt schema equals the live one.

use std::time::Duration;

use event_store::Position;
use sqlx::{Connection, PgConnection, PgPool};

use super::{RebuildError, fill, patient, require_name, schema};
use crate::projection::lock_checkpoints;

/// How often the checkpoints are tried for while a live batch holds them.
const RETRY: Duration = Duration::from_millis(10);

/// One table, live and rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableComparison {
    /// The table.
    pub table: &'static str,
    /// How many rows the live one has.
    pub rows: i64,
    /// Rows of the live one that the rebuilt one does not have.
    pub only_live: i64,
    /// Rows of the rebuilt one that the live one does not have.
    pub only_rebuilt: i64,
}

impl TableComparison {
    /// Whether they are the same rows.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.only_live == 0 && self.only_rebuilt == 0
    }
}

/// Compares every read model with its rebuilt twin, row for row and column for column.
///
/// The live projections are held at their checkpoint meanwhile, and the rebuilt ones brought to the
/// same position first: a system in use can be compared, its reads are only a little late.
///
/// # Errors
/// See [`RebuildError`].
pub async fn compare(pool: &PgPool, schema: &str) -> Result<Vec<TableComparison>, RebuildError> {
    require_name(schema)?;
    let mut connection = patient(pool, schema).await?;
    let mut transaction = connection.begin().await?;
    let position = hold(&mut transaction).await?;
    fill::fill(pool, schema, position).await?;
    let mut comparisons = Vec::new();
    for table in schema::tables() {
        comparisons.push(compare_table(&mut transaction, schema, table).await?);
    }
    transaction.rollback().await?;
    Ok(comparisons)
}

/// Takes the live checkpoints for this transaction.
async fn hold(connection: &mut PgConnection) -> Result<Position, RebuildError> {
    let positions = loop {
        if let Some(positions) = lock_checkpoints(connection).await? {
            break positions;
        }
        tokio::time::sleep(RETRY).await;
    };
    match positions.as_slice() {
        [first, rest @ ..] if rest.iter().all(|position| position == first) => Ok(*first),
        _ => Err(RebuildError::Uneven(positions)),
    }
}

async fn compare_table(
    connection: &mut PgConnection,
    schema: &str,
    table: &'static str,
) -> sqlx::Result<TableComparison> {
    let (live, rebuilt) = (format!("read_models.{table}"), format!("{schema}.{table}"));
    let (rows, only_live, only_rebuilt) = sqlx::query_as(&format!(
        "SELECT (SELECT count(*) FROM {live}),
                (SELECT count(*) FROM (TABLE {live} EXCEPT ALL TABLE {rebuilt}) AS missing),
                (SELECT count(*) FROM (TABLE {rebuilt} EXCEPT ALL TABLE {live}) AS surplus)"
    ))
    .fetch_one(connection)
    .await?;
    Ok(TableComparison { table, rows, only_live, only_rebuilt })
}
