//! The read models filled again from position zero, in a schema beside the live one, and compared
//! with them row for row: `rebuilt == live` is an invariant.
//!
//! Reading and decoding the next chunk goes on while the current one is folded; rows stay in memory
//! over many chunks, so that an entity's thousand events cost one write.
//!
//! ```text
//! fill.rs     events into rows, of some projections up to some positions
//! schema.rs   the tables, made from the live ones
//! twin.rs     temporary tables, and the transaction in which live and rebuilt are at one position
//! compare.rs  whether they are equal: counts and a hash per table
//! diff.rs     what differs, row by row
//! ```

mod compare;
mod diff;
mod fill;
mod schema;
mod twin;

use std::time::{Duration, Instant};

use event_store::Position;
use sqlx::{Executor, PgConnection, PgPool};

use crate::projection::{PROJECTIONS, ProjectionInfo};
use crate::session::connect;
use crate::subscription::SubscriptionError;

pub use compare::{TableComparison, compare, verify};
pub use diff::{ColumnDifference, Differences, RowDifference, TableDifferences, diff};

/// Why there is no rebuild, or no comparison.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Not a name we fill: lower-case letters, digits and `_`, beginning with `read_models_`. The live
    /// schema is never rebuilt in place.
    #[error(
        "{0:?} is not the name of a schema to rebuild into: it must be read_models_<something>"
    )]
    SchemaName(String),
    /// The database does not answer, or refuses.
    #[error("the database refuses")]
    Database(#[from] sqlx::Error),
    /// An event could not be read, or could not be projected.
    #[error("the rebuild stopped")]
    Stopped(#[from] SubscriptionError),
    /// The live rows show less than the rebuilt ones, so there is no one state to compare.
    #[error(
        "live {projection} is at position {live}, which what was rebuilt at {rebuilt} has passed"
    )]
    LiveIsBehind {
        /// The projection.
        projection: &'static str,
        /// Its checkpoint.
        live: Position,
        /// What the rebuilt rows show.
        rebuilt: Position,
    },
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Rows are being filled.
    Filling {
        /// Events up to here are in memory or in rows.
        done: Position,
        /// The last event of this pass.
        of: Position,
    },
    /// A table is being compared.
    Comparing {
        /// The table.
        table: &'static str,
    },
}

/// Is told of progress every few thousand events.
pub type Tell<'a> = dyn FnMut(Progress) + Send + 'a;

/// A projection, and where it is to stand.
#[derive(Debug, Clone, Copy)]
struct Target {
    projection: ProjectionInfo,
    until: Position,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// The position the rows show: the log's head when the rebuild began.
    pub position: Position,
    /// How many events it read.
    pub events: i64,
    /// How long it took, from the first read to the last index.
    pub elapsed: Duration,
}

impl Rebuilt {
    /// Events per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }
}

/// Fills all read models from position zero to the present head, in a new schema.
///
/// The live read models are neither read nor touched. What is left behind by a failure is removed by
/// [`drop_rebuilt`].
///
/// # Errors
/// See [`RebuildError`]; also when the schema exists.
pub async fn rebuild(pool: &PgPool, schema: &str) -> Result<Rebuilt, RebuildError> {
    require_name(schema)?;
    let started = Instant::now();
    let mut connection = patient(pool, schema).await?;
    schema::create(&mut connection, schema).await?;
    let head = event_store::head(&mut connection).await?;
    let all = PROJECTIONS.map(|projection| Target { projection, until: head });
    let events = fill::fill(&mut connection, pool, &all, &mut |_| ()).await?;
    // Building an index at once is cheaper than keeping it up to date row by row.
    schema::index(&mut connection, schema).await?;
    Ok(Rebuilt { position: head, events, elapsed: started.elapsed() })
}

/// Removes a rebuilt schema; one that does not exist counts as removed.
///
/// # Errors
/// See [`RebuildError`].
pub async fn drop_rebuilt(pool: &PgPool, schema: &str) -> Result<(), RebuildError> {
    require_name(schema)?;
    Ok(schema::remove(&mut *pool.acquire().await?, schema).await?)
}

/// A connection on which a statement may take as long as it takes.
async fn patient(pool: &PgPool, schema: &str) -> sqlx::Result<PgConnection> {
    let mut connection = connect(pool, schema).await?;
    connection.execute("SET statement_timeout = 0").await?;
    Ok(connection)
}

fn require_name(schema: &str) -> Result<(), RebuildError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let suffix = schema.strip_prefix("read_models_").unwrap_or_default();
    // PostgreSQL cuts longer names off, silently.
    if suffix.is_empty() || !suffix.chars().all(is_plain) || schema.len() > 63 {
        return Err(RebuildError::SchemaName(schema.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::require_name;

    #[test]
    fn only_a_plain_name_beside_the_live_schema_is_filled() {
        assert!(require_name("read_models_rebuild").is_ok());
        for name in
            ["read_models", "read_models_", "public", "read_models_a; DROP", "read_models_A", ""]
        {
            assert!(require_name(name).is_err(), "{name}");
        }
        assert!(require_name(&format!("read_models_{}", "a".repeat(60))).is_err());
    }
}
