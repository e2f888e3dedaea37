//! Events into the rows of rebuilt tables.

use std::collections::HashSet;

use event_store::Position;
use event_store::parking::{self, Stream, ToPark};
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{Connection, PgConnection, PgPool};

use super::hold::Lease;
use super::read::Chunks;
use super::twin::Twin;
use super::{Progress, RebuildError, Tell};
use crate::decoded::{Read, recorded};
use crate::poison;
use crate::projection::{Known, Projection, all, apply_carefully, fold};
use crate::subscription::SubscriptionError;

/// Events per read.
const CHUNK: i64 = 10_000;
/// Events per read, and per write, where the database refused rows.
const CAREFUL_CHUNK: i64 = 500;
/// Changed rows that are worth a write. Those that are still open then are written once more.
const MOST_UNWRITTEN: usize = 200_000;
/// Rows kept in memory, in case that later events change them; some hundred bytes each.
const MOST_HELD: usize = 500_000;

/// Goes on from where the twins stand, with each to where it is to stand, their tables being those of the
/// schema on the connection's search path; returns how many events that were.
///
/// With a lease, rows are committed together with what the lease's checkpoints say; without one, they are
/// only in the session's transaction, if there is one.
pub(super) fn fill<'a>(
    connection: &'a mut PgConnection,
    pool: &'a PgPool,
    twins: &'a mut [Twin],
    targets: &'a [Position],
    lease: Option<&'a Lease>,
    tell: &'a mut Tell<'_>,
) -> BoxFuture<'a, Result<i64, RebuildError>> {
    fill_all(connection, pool, twins, targets, lease, tell).boxed()
}

async fn fill_all(
    connection: &mut PgConnection,
    pool: &PgPool,
    twins: &mut [Twin],
    targets: &[Position],
    lease: Option<&Lease>,
    tell: &mut Tell<'_>,
) -> Result<i64, RebuildError> {
    let mut events = 0;
    while let Some((from, to)) = next_leg(twins, targets) {
        let mut leg = Leg { pool, lease, parts: parts(twins, targets, from), written: from };
        while leg.written < to {
            if let Some(refused) = leg.quickly(to, connection, tell).await? {
                leg.carefully(refused, connection, tell).await?;
            }
        }
        events += to.0 - from.0;
    }
    Ok(events)
}

/// From where the slowest that are not there yet stand, to where the next ones stand, or to the first's
/// target: from there they go on together, so that the log is read once for all of them.
fn next_leg(twins: &[Twin], targets: &[Position]) -> Option<(Position, Position)> {
    let open = || twins.iter().zip(targets).filter(|(twin, target)| twin.position < **target);
    let from = open().map(|(twin, _)| twin.position).min()?;
    let others = open().map(|(twin, _)| twin.position).filter(|position| *position > from);
    let ends = open().filter(|(twin, _)| twin.position == from).map(|(_, target)| *target);
    Some((from, others.chain(ends).min()?))
}

fn parts<'t>(twins: &'t mut [Twin], targets: &[Position], from: Position) -> Vec<Part<'t>> {
    // Rows and position are committed together, so an entity born after it is new to the tables.
    let mut projections = all(Known::Never);
    let open = twins.iter_mut().zip(targets).filter(|(twin, target)| twin.position < **target);
    open.filter(|(twin, _)| twin.position == from)
        .filter_map(|(twin, _)| {
            let place = projections.iter().position(|it| it.info() == twin.projection)?;
            let projection = projections.swap_remove(place);
            let parked = twin.parked.clone();
            Some(Part { twin, projection, parked, to_park: Vec::new() })
        })
        .collect()
}

/// A projection on a leg.
struct Part<'t> {
    twin: &'t mut Twin,
    projection: Box<dyn Projection>,
    /// Streams of which an event could not be handled, those not yet written included.
    parked: HashSet<Stream>,
    /// What is to be parked with the next write.
    to_park: Vec<ToPark>,
}

/// Projections that stand at the same position and go on together.
struct Leg<'t> {
    pool: &'t PgPool,
    lease: Option<&'t Lease>,
    parts: Vec<Part<'t>>,
    /// Up to where rows are written.
    written: Position,
}

impl Leg<'_> {
    /// Folds much between two writes. Returns early when the database refuses rows: up to where they went.
    async fn quickly(
        &mut self,
        to: Position,
        connection: &mut PgConnection,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Position>, RebuildError> {
        let mut done = self.written;
        tell(Progress::Filling { done, of: to });
        let mut chunks = Chunks::start(self.pool, done, to, CHUNK);
        while let Some(chunk) = chunks.next().await {
            let events = chunk?;
            self.fold(&events, connection).await?;
            done = events.last().map_or(done, |read| recorded(read).position);
            let is_too_much = self.count(|it| it.held()) > MOST_HELD;
            let is_worth_it = self.count(|it| it.unwritten()) > MOST_UNWRITTEN;
            if (is_too_much || is_worth_it) && !self.write(done, connection).await? {
                return Ok(Some(done));
            }
            if is_too_much {
                self.parts.iter_mut().for_each(|part| part.projection.forget());
            }
            tell(Progress::Filling { done, of: to });
        }
        Ok(if done < to {
            return Err(SubscriptionError::Database(sqlx::Error::RowNotFound).into());
        } else if self.write(to, connection).await? {
            None
        } else {
            Some(to)
        })
    }

    /// Writes after every few events, and stream by stream where that is refused, up to a position before
    /// which there is something that the database refuses.
    async fn carefully(
        &mut self,
        to: Position,
        connection: &mut PgConnection,
        tell: &mut Tell<'_>,
    ) -> Result<(), RebuildError> {
        self.start_over();
        let mut chunks = Chunks::start(self.pool, self.written, to, CAREFUL_CHUNK);
        while let Some(chunk) = chunks.next().await {
            let events = chunk?;
            let done = events.last().map_or(self.written, |read| recorded(read).position);
            self.fold(&events, connection).await?;
            if !self.write(done, connection).await? {
                self.write_stream_by_stream(&events, done, connection).await?;
            }
            self.parts.iter_mut().for_each(|part| part.projection.forget());
            tell(Progress::Filling { done, of: to });
        }
        Ok(())
    }

    async fn fold(
        &mut self,
        events: &[Read],
        connection: &mut PgConnection,
    ) -> Result<(), SubscriptionError> {
        for Part { twin, projection, parked, to_park } in &mut self.parts {
            let events = events.iter().filter(|read| !twin.skips(recorded(read).position));
            let found = fold(projection.as_mut(), events, parked, connection).await?;
            parked.extend(found.iter().map(|event| event.stream.clone()));
            to_park.extend(found);
        }
        Ok(())
    }

    fn count(&self, of: fn(&dyn Projection) -> usize) -> usize {
        self.parts.iter().map(|part| of(part.projection.as_ref())).sum()
    }

    /// Writes the rows that wait. `false` when the database refuses them: nothing is written then, and what
    /// was in memory is gone.
    async fn write(
        &mut self,
        done: Position,
        connection: &mut PgConnection,
    ) -> Result<bool, RebuildError> {
        let mut transaction = connection.begin().await?;
        self.advance(done, &mut transaction).await?;
        for part in &mut self.parts {
            match part.projection.write(&mut transaction).await {
                Ok(()) => {}
                Err(error) if poison::is_about_data(&error) => {
                    transaction.rollback().await?;
                    self.start_over();
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.park(&mut transaction).await?;
        transaction.commit().await?;
        self.moved(done);
        Ok(true)
    }

    async fn write_stream_by_stream(
        &mut self,
        events: &[Read],
        done: Position,
        connection: &mut PgConnection,
    ) -> Result<(), RebuildError> {
        let mut transaction = connection.begin().await?;
        self.advance(done, &mut transaction).await?;
        for Part { twin, projection, parked, to_park } in &mut self.parts {
            let skipped = |read: &&Read| !twin.skips(recorded(read).position);
            *to_park = apply_carefully(
                projection.as_mut(),
                events.iter().filter(skipped),
                parked,
                &mut transaction,
            )
            .await?;
            parked.extend(to_park.iter().map(|event| event.stream.clone()));
        }
        self.park(&mut transaction).await?;
        transaction.commit().await?;
        self.moved(done);
        Ok(())
    }

    async fn advance(
        &mut self,
        to: Position,
        transaction: &mut PgConnection,
    ) -> Result<(), RebuildError> {
        let Some(lease) = self.lease else { return Ok(()) };
        let names = self.parts.iter().map(|part| part.twin.rebuild_checkpoint()).collect();
        lease.advance(transaction, names, self.written, to).await
    }

    /// The last statements of a transaction that writes rows, which may have taken its time.
    async fn park(&mut self, transaction: &mut PgConnection) -> Result<(), RebuildError> {
        let Some(lease) = self.lease else { return Ok(()) };
        for part in &mut self.parts {
            parking::park(transaction, &part.twin.rebuild_checkpoint(), &part.to_park).await?;
        }
        lease.lengthen(transaction).await
    }

    fn moved(&mut self, to: Position) {
        self.written = to;
        for Part { twin, parked, to_park, .. } in &mut self.parts {
            twin.position = to;
            twin.parked.clone_from(parked);
            to_park.clear();
        }
    }

    /// Forgets what is not written.
    fn start_over(&mut self) {
        for Part { twin, projection, parked, to_park } in &mut self.parts {
            projection.forget();
            parked.clone_from(&twin.parked);
            to_park.clear();
        }
    }
}
