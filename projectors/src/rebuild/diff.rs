//! Which rows of live read models differ from what the log says they should be.

use std::collections::BTreeMap;

use event_store::Position;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};

use super::twin::{TEMPORARY, Twin, fill_temporary, side_by_side};
use super::{Progress, RebuildError, Tell, schema};
use crate::projection::ProjectionInfo;

/// What differs between the live tables of a projection and what the log says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differences {
    /// The projection.
    pub projection: &'static str,
    /// The position at which they were compared.
    pub position: Position,
    /// Its tables.
    pub tables: Vec<TableDifferences>,
}

/// What differs in one table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableDifferences {
    /// The table.
    pub table: &'static str,
    /// Rows that should be there and are not.
    pub missing: i64,
    /// Rows that are there and should not be.
    pub extra: i64,
    /// Rows with other values than they should have.
    pub changed: i64,
    /// The first of them, by primary key.
    pub rows: Vec<RowDifference>,
}

/// How a row differs. A key has the columns of the primary key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub enum RowDifference {
    /// It should be there and is not.
    Missing {
        /// Which row.
        key: Map<String, Value>,
        /// All its columns.
        row: Map<String, Value>,
    },
    /// It is there and should not be.
    Extra {
        /// Which row.
        key: Map<String, Value>,
        /// All its columns.
        row: Map<String, Value>,
    },
    /// It has other values than it should have.
    Changed {
        /// Which row.
        key: Map<String, Value>,
        /// The columns that differ.
        columns: BTreeMap<String, ColumnDifference>,
    },
}

/// How a column differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnDifference {
    /// What the live row has.
    pub live: Value,
    /// What the log says.
    pub rebuilt: Value,
}

impl Differences {
    fn none(projection: ProjectionInfo) -> Self {
        Self { projection: projection.name, position: Position(0), tables: Vec::new() }
    }

    /// How many rows differ.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.tables.iter().map(TableDifferences::count).sum()
    }
}

impl TableDifferences {
    /// How many rows differ.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.missing + self.extra + self.changed
    }
}

/// Compares as [`verify`](super::verify) does, row by row; at most `limit` rows of each table are told.
///
/// # Errors
/// See [`RebuildError`].
pub async fn diff(
    pool: &PgPool,
    projection: ProjectionInfo,
    limit: i64,
    tell: &mut Tell<'_>,
) -> Result<Differences, RebuildError> {
    let (mut connection, twins) = fill_temporary(pool, &[projection], tell).await?;
    let mut found =
        differences(&mut connection, pool, TEMPORARY, &twins, limit, tell).await?.into_iter();
    Ok(found.next().unwrap_or_else(|| Differences::none(projection)))
}

/// Compares twins in a schema, that of the connection's search path, with the live tables.
pub(super) fn differences<'a>(
    connection: &'a mut PgConnection,
    pool: &'a PgPool,
    schema: &'a str,
    twins: &'a [Twin],
    limit: i64,
    tell: &'a mut Tell<'_>,
) -> BoxFuture<'a, Result<Vec<Differences>, RebuildError>> {
    compare(connection, pool, schema, twins, limit, tell).boxed()
}

async fn compare(
    connection: &mut PgConnection,
    pool: &PgPool,
    schema: &str,
    twins: &[Twin],
    limit: i64,
    tell: &mut Tell<'_>,
) -> Result<Vec<Differences>, RebuildError> {
    let (mut transaction, live) = side_by_side(connection, pool, twins, tell).await?;
    let mut found = Vec::new();
    for (twin, position) in twins.iter().zip(live) {
        let mut of = Differences { position, ..Differences::none(twin.projection) };
        for table in twin.projection.tables {
            tell(Progress::Comparing { table });
            of.tables.push(table_differences(&mut transaction, schema, table, limit).await?);
        }
        found.push(of);
    }
    transaction.rollback().await?;
    Ok(found)
}

async fn table_differences(
    connection: &mut PgConnection,
    schema: &str,
    table: &'static str,
    limit: i64,
) -> sqlx::Result<TableDifferences> {
    let key = schema::primary_key(connection, table).await?;
    let (missing, extra, changed) = count(connection, schema, table, &key).await?;
    let mut found = TableDifferences { table, missing, extra, changed, rows: Vec::new() };
    if found.count() > 0 {
        let rows = rows(connection, schema, table, &key, limit).await?;
        found.rows = rows.into_iter().filter_map(|row| row_difference(&key, row)).collect();
    }
    Ok(found)
}

/// Live rows beside rebuilt ones. Compared as text, as the hashes are taken: equal means the same
/// whatever the type.
fn joined(schema: &str, table: &str, key: &[String]) -> String {
    let (live, key) = (schema::LIVE, key.join(", "));
    format!("{live}.{table} AS live FULL JOIN {schema}.{table} AS rebuilt USING ({key})")
}

async fn count(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
    key: &[String],
) -> sqlx::Result<(i64, i64, i64)> {
    sqlx::query_as(&format!(
        "SELECT count(*) FILTER (WHERE live::text IS NULL),
                count(*) FILTER (WHERE rebuilt::text IS NULL),
                count(*) FILTER (WHERE live::text <> rebuilt::text)
           FROM {}",
        joined(schema, table, key)
    ))
    .fetch_one(connection)
    .await
}

type Pair = (Option<Value>, Option<Value>);

async fn rows(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
    key: &[String],
    limit: i64,
) -> sqlx::Result<Vec<Pair>> {
    sqlx::query_as(&format!(
        "SELECT to_jsonb(live), to_jsonb(rebuilt) FROM {}
          WHERE live::text IS DISTINCT FROM rebuilt::text ORDER BY {} LIMIT $1",
        joined(schema, table, key),
        key.join(", ")
    ))
    .bind(limit)
    .fetch_all(connection)
    .await
}

fn row_difference(key: &[String], (live, rebuilt): Pair) -> Option<RowDifference> {
    let key_of = |row: &Map<String, Value>| {
        key.iter().filter_map(|column| Some((column.clone(), row.get(column)?.clone()))).collect()
    };
    Some(match (live, rebuilt) {
        (None, Some(Value::Object(row))) => RowDifference::Missing { key: key_of(&row), row },
        (Some(Value::Object(row)), None) => RowDifference::Extra { key: key_of(&row), row },
        (Some(Value::Object(live)), Some(Value::Object(rebuilt))) => {
            let mut columns = BTreeMap::new();
            for (column, live) in &live {
                let rebuilt = rebuilt.get(column).cloned().unwrap_or_default();
                if *live != rebuilt {
                    let live = live.clone();
                    columns.insert(column.clone(), ColumnDifference { live, rebuilt });
                }
            }
            RowDifference::Changed { key: key_of(&rebuilt), columns }
        }
        _ => return None,
    })
}
