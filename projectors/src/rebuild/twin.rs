//! Read models filled anew in temporary tables, and seen side by side with the live ones at one position.
//!
//! Temporary tables belong to one session: several of these do not disturb each other nor a rebuild,
//! and the database removes them with the session, however that ends.

use event_store::Position;
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres, Transaction};

use super::{RebuildError, Target, Tell, fill, patient, schema};
use crate::projection::ProjectionInfo;

/// The schema of a session's temporary tables.
pub(super) const TEMPORARY: &str = "pg_temp";

/// Opens a session with a twin of each of the projections' tables, filled to where the live ones stand
/// when this begins.
pub(super) async fn fill_twins(
    pool: &PgPool,
    projections: &[ProjectionInfo],
    tell: &mut Tell<'_>,
) -> Result<PgConnection, RebuildError> {
    let mut connection = patient(pool, TEMPORARY).await?;
    notice_a_lost_client(&mut connection).await?;
    // Room for the tables in memory; taken only as far as it is used.
    connection.execute("SET temp_buffers = '64MB'").await?;
    schema::create_tables(&mut connection, TEMPORARY, &tables(projections)).await?;
    let live = targets(&mut connection, projections).await?;
    // A position that all have passed, so that each is brought from there to its own.
    let slowest = live.iter().map(|target| target.until).min().unwrap_or_default();
    let even: Vec<_> = live.iter().map(|target| Target { until: slowest, ..*target }).collect();
    fill::fill(&mut connection, pool, &even, tell).await?;
    for table in tables(projections) {
        schema::analyze(&mut connection, TEMPORARY, table).await?;
    }
    Ok(connection)
}

/// Begins a transaction in which the live tables and those of the schema on the connection's search
/// path show the same positions.
///
/// The live ones are seen as they are when it begins; the others are brought there inside it. The
/// projectors are neither stopped nor waited for: what they write meanwhile is not seen. Nothing of
/// this stays when the transaction is rolled back.
pub(super) async fn side_by_side<'c>(
    connection: &'c mut PgConnection,
    pool: &PgPool,
    projections: &[ProjectionInfo],
    tell: &mut Tell<'_>,
) -> Result<(Transaction<'c, Postgres>, Vec<Target>), RebuildError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let live = targets(&mut transaction, projections).await?;
    let rebuilt = Position(schema::position(&mut transaction).await?);
    if let Some(behind) = live.iter().find(|target| target.until < rebuilt) {
        let projection = behind.projection.name;
        return Err(RebuildError::LiveIsBehind { projection, live: behind.until, rebuilt });
    }
    fill::fill(&mut transaction, pool, &live, tell).await?;
    Ok((transaction, live))
}

/// The tables of some projections.
pub(super) fn tables(projections: &[ProjectionInfo]) -> Vec<&'static str> {
    projections.iter().flat_map(|projection| projection.tables.iter().copied()).collect()
}

/// Where the live projections stand.
async fn targets(
    connection: &mut PgConnection,
    projections: &[ProjectionInfo],
) -> sqlx::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for projection in projections {
        let until = event_store::position_of(connection, &projection.checkpoint()).await?;
        targets.push(Target { projection: *projection, until: until.unwrap_or_default() });
    }
    Ok(targets)
}

/// Ends a statement within a second after whoever waits for it was killed. Older servers cannot; there
/// it ends when it is done.
async fn notice_a_lost_client(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection
        .execute(
            "SELECT set_config(name, '1s', false) FROM pg_settings
              WHERE name = 'client_connection_check_interval'",
        )
        .await?;
    Ok(())
}
