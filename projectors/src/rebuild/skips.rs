//! Events that somebody decided to leave out while rows are filled anew.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use event_store::Position;
use event_store::parking::{self, Stream};
use sqlx::{Connection, PgConnection};

use super::hold::Lease;
use super::twin::Twin;
use super::{RebuildError, schema};
use crate::decoded::decode_all;
use crate::projection::{Known, Projection, ProjectionInfo, all, apply_carefully};

/// What whoever worked on a rebuild before has left out of it, by the note on its first table. What it does
/// not name may be in the rows, whenever it was skipped.
pub(super) async fn known(
    connection: &mut PgConnection,
    projection: &ProjectionInfo,
) -> sqlx::Result<BTreeSet<Position>> {
    let Some(table) = projection.tables.first() else { return Ok(BTreeSet::new()) };
    let note = schema::note_on(connection, schema::NEXT, table).await?.unwrap_or_default();
    Ok(note.split_whitespace().filter_map(|it| it.parse().ok()).map(Position).collect())
}

/// Leaves out what was skipped since `known`: what is parked behind such an event is applied. Notes that it
/// is left out, before any more rows are filled.
///
/// # Errors
/// When the rows have an event that is to be left out: nothing but filling them again helps.
pub(super) async fn settle(
    connection: &mut PgConnection,
    twin: &mut Twin,
    known: &BTreeSet<Position>,
    lease: &Lease,
) -> Result<(), RebuildError> {
    let new: Vec<_> = twin.skipped.difference(known).copied().collect();
    let passed: Vec<_> = new.into_iter().filter(|position| *position <= twin.position).collect();
    let mut streams = BTreeMap::<_, Vec<_>>::new();
    for event in event_store::read_at(connection, &passed).await? {
        if twin.projection.reads(&event.aggregate_type) {
            streams.entry(event.stream()).or_default().push(event.position);
        }
    }
    let mut transaction = connection.begin().await?;
    let names = vec![twin.rebuild_checkpoint()];
    lease.advance(&mut transaction, names, twin.position, twin.position).await?;
    for (stream, skipped) in streams {
        if retry_without(&mut transaction, twin, &stream, &skipped).await? {
            twin.parked.remove(&stream);
        }
    }
    if let Some(table) = twin.projection.tables.first() {
        let note: Vec<_> = twin.skipped.iter().map(|position| position.0.to_string()).collect();
        schema::note_on_next(&mut transaction, table, &note.join(" ")).await?;
    }
    Ok(transaction.commit().await?)
}

/// Applies what is parked of a stream but what is skipped, up to the next that fails; whether none did.
async fn retry_without(
    transaction: &mut PgConnection,
    twin: &Twin,
    stream: &Stream,
    skipped: &[Position],
) -> Result<bool, RebuildError> {
    let name = twin.rebuild_checkpoint();
    let parked = parking::parked_events(transaction, &name, stream, i64::MAX).await?;
    let all_parked: Vec<_> = parked.iter().map(|event| event.position).collect();
    // What is not parked was applied, even where something later of its stream was not.
    if let Some(position) = skipped.iter().find(|position| !all_parked.contains(position)) {
        let (projection, position) = (twin.projection.name, *position);
        return Err(RebuildError::SkippedMeanwhile { projection, position });
    }
    let events = parked.into_iter().filter(|event| !twin.skips(event.position)).collect();
    let events = decode_all(events);
    let Some(mut projection) = projection_of(twin) else { return Ok(false) };
    let none = HashSet::new();
    let failed = apply_carefully(projection.as_mut(), &events, &none, transaction).await?;
    parking::unpark(transaction, &name, &all_parked).await?;
    parking::park(transaction, &name, &failed).await?;
    Ok(failed.is_empty())
}

fn projection_of(twin: &Twin) -> Option<Box<dyn Projection>> {
    all(Known::Perhaps).into_iter().find(|projection| projection.info() == twin.projection)
}
