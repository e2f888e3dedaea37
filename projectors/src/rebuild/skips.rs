//! Events that somebody decided to leave out while rows are filled anew.

use std::collections::{BTreeSet, HashSet};

use event_store::Position;
use event_store::parking::{self, Stream};
use sqlx::{Connection, PgConnection};

use super::RebuildError;
use super::hold::Lease;
use super::twin::Twin;
use crate::decoded::{decode_all, recorded};
use crate::projection::{Known, Projection, all, apply_carefully};

/// Leaves out what was skipped since `known`: what is parked behind such an event is applied.
///
/// # Errors
/// When the rows have an event that is to be left out: nothing but filling them again helps.
pub(super) async fn settle(
    connection: &mut PgConnection,
    twin: &mut Twin,
    known: &BTreeSet<Position>,
    lease: &Lease,
) -> Result<(), RebuildError> {
    let name = twin.rebuild_checkpoint();
    let new: Vec<_> = twin.skipped.difference(known).copied().collect();
    let passed: Vec<_> = new.into_iter().filter(|position| *position <= twin.position).collect();
    for event in event_store::read_at(connection, &passed).await? {
        if !twin.projection.reads(&event.aggregate_type) {
            continue;
        }
        let stream = event.stream();
        if !twin.parked.contains(&stream) {
            let (projection, position) = (twin.projection.name, event.position);
            return Err(RebuildError::SkippedMeanwhile { projection, position });
        }
        let mut transaction = connection.begin().await?;
        let names = vec![name.clone()];
        lease.advance(&mut transaction, names, twin.position, twin.position).await?;
        if retry_without(&mut transaction, twin, &name, &stream, event.position).await? {
            twin.parked.remove(&stream);
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// Applies what is parked of a stream but one event, up to the next that fails; whether none did.
async fn retry_without(
    transaction: &mut PgConnection,
    twin: &Twin,
    name: &str,
    stream: &Stream,
    skipped: Position,
) -> Result<bool, RebuildError> {
    let parked = parking::parked_events(transaction, name, stream, i64::MAX).await?;
    let all_parked: Vec<_> = parked.iter().map(|event| event.position).collect();
    let events = parked.into_iter().filter(|event| event.position != skipped).collect();
    let events = decode_all(events);
    let Some(mut projection) = projection_of(twin) else { return Ok(false) };
    let none = HashSet::new();
    let failed = apply_carefully(projection.as_mut(), &events, &none, transaction).await?;
    parking::unpark(transaction, name, &all_parked).await?;
    parking::park(transaction, name, &failed).await?;
    debug_assert!(events.iter().all(|read| recorded(read).position != skipped));
    Ok(failed.is_empty())
}

fn projection_of(twin: &Twin) -> Option<Box<dyn Projection>> {
    all(Known::Perhaps).into_iter().find(|projection| projection.info() == twin.projection)
}
