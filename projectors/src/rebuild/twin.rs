//! Tables filled anew, and seen side by side with the live ones at one position.
//!
//! Those of `verify` and `diff` are temporary: they belong to one session, so that several of these do not
//! disturb each other nor a rebuild, and the database removes them with the session, however that ends.

use std::collections::{BTreeSet, HashSet};

use event_store::parking::{self, Stream};
use event_store::{Position, rebuilding};
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres, Transaction};

use super::fill::fill;
use super::{RebuildError, Tell, schema, session};
use crate::projection::ProjectionInfo;

/// The schema of a session's temporary tables.
pub(super) const TEMPORARY: &str = "pg_temp";

/// A projection whose tables are filled anew.
#[derive(Debug, Clone)]
pub(super) struct Twin {
    pub(super) projection: ProjectionInfo,
    /// What its rows show.
    pub(super) position: Position,
    /// Streams of which an event could not be handled: they stop there, as the live ones do.
    pub(super) parked: HashSet<Stream>,
    /// Events that somebody decided to leave out: of the live ones, and so of these.
    pub(super) skipped: BTreeSet<Position>,
}

impl Twin {
    /// One that is empty.
    pub(super) async fn new(
        connection: &mut PgConnection,
        projection: ProjectionInfo,
    ) -> sqlx::Result<Self> {
        let skipped = event_store::skipped_positions(connection, &projection.checkpoint()).await?;
        Ok(Self { projection, position: Position(0), parked: HashSet::new(), skipped })
    }

    /// One that was filled up to a position in a rebuild.
    pub(super) async fn load(
        connection: &mut PgConnection,
        projection: ProjectionInfo,
        position: Position,
    ) -> sqlx::Result<Self> {
        let name = rebuilding::checkpoint(projection.name);
        let parked = parking::parked_streams(connection, &name).await?;
        Ok(Self { position, parked, ..Self::new(connection, projection).await? })
    }

    pub(super) fn rebuild_checkpoint(&self) -> String {
        rebuilding::checkpoint(self.projection.name)
    }

    pub(super) fn skips(&self, position: Position) -> bool {
        !self.skipped.is_empty() && self.skipped.contains(&position)
    }
}

/// Opens a session with a temporary twin of each of the projections' tables, filled to where the live ones
/// stand when this begins.
pub(super) async fn fill_temporary(
    pool: &PgPool,
    projections: &[ProjectionInfo],
    tell: &mut Tell<'_>,
) -> Result<(PgConnection, Vec<Twin>), RebuildError> {
    let mut connection = session(pool, TEMPORARY).await?;
    // Room for the tables in memory; taken only as far as it is used.
    connection.execute("SET temp_buffers = '64MB'").await?;
    schema::create_tables(&mut connection, TEMPORARY, &tables(projections)).await?;
    let mut twins = Vec::new();
    for projection in projections {
        twins.push(Twin::new(&mut connection, *projection).await?);
    }
    let live = live_positions(&mut connection, &twins).await?;
    fill(&mut connection, pool, &mut twins, &live, None, tell).await?;
    for table in tables(projections) {
        schema::analyze(&mut connection, TEMPORARY, table).await?;
    }
    Ok((connection, twins))
}

/// Begins a transaction in which the live tables and those of the schema on the connection's search path
/// show the same positions; they are returned.
///
/// The live ones are seen as they are when it begins; the others are brought there inside it. The
/// projectors are neither stopped nor waited for: what they write meanwhile is not seen. Nothing of
/// this stays when the transaction is rolled back.
pub(super) async fn side_by_side<'c>(
    connection: &'c mut PgConnection,
    pool: &PgPool,
    twins: &[Twin],
    tell: &mut Tell<'_>,
) -> Result<(Transaction<'c, Postgres>, Vec<Position>), RebuildError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    // First, and so before what it sees is fixed: tables that are switched in between would show nothing
    // that was committed later.
    let projections: Vec<_> = twins.iter().map(|twin| twin.projection).collect();
    schema::lock_live(&mut transaction, &tables(&projections), "ACCESS SHARE").await?;
    let live = live_positions(&mut transaction, twins).await?;
    if let Some((twin, live)) = twins.iter().zip(&live).find(|(twin, live)| **live < twin.position)
    {
        let (projection, rebuilt) = (twin.projection.name, twin.position);
        return Err(RebuildError::LiveIsBehind { projection, live: *live, rebuilt });
    }
    fill(&mut transaction, pool, &mut twins.to_vec(), &live, None, tell).await?;
    Ok((transaction, live))
}

/// The tables of some projections.
pub(super) fn tables(projections: &[ProjectionInfo]) -> Vec<&'static str> {
    projections.iter().flat_map(|projection| projection.tables.iter().copied()).collect()
}

/// Where the live projections stand.
pub(super) async fn live_positions(
    connection: &mut PgConnection,
    twins: &[Twin],
) -> sqlx::Result<Vec<Position>> {
    let mut positions = Vec::new();
    for twin in twins {
        let name = twin.projection.checkpoint();
        positions.push(event_store::position_of(connection, &name).await?.unwrap_or_default());
    }
    Ok(positions)
}
