//! Events into the rows of a rebuilt schema.

use event_store::Position;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{patient, schema};
use crate::decoded::{Decoded, decode_all};
use crate::projection::{Known, Projection, all, feed};
use crate::subscription::SubscriptionError;

/// Events per read.
const CHUNK: i64 = 10_000;
/// Chunks that may wait for the fold, so that reading goes on while rows are written.
const AHEAD: usize = 4;
/// Changed rows that are worth a write.
const MOST_UNWRITTEN: usize = 20_000;
/// Rows kept in memory, in case that later events change them; some hundred bytes each.
const MOST_HELD: usize = 300_000;

type Chunk = Result<Vec<Decoded>, SubscriptionError>;

/// Goes on from where the schema stands to `until`; returns how many events that were.
pub(super) async fn fill(
    pool: &PgPool,
    schema: &str,
    until: Position,
) -> Result<i64, SubscriptionError> {
    let mut connection = patient(pool, schema).await?;
    let from = Position(schema::position(&mut connection).await?);
    let (ready, mut chunks) = mpsc::channel(AHEAD);
    // Dropped with this function, whatever becomes of it.
    let mut reader = JoinSet::new();
    let log = patient(pool, schema).await?;
    reader.spawn(read(log, from, until, ready));

    // Rows and position are committed together, so an entity born after it is new to the schema.
    let mut projections = all(Known::Never);
    let mut done = from;
    while let Some(chunk) = chunks.recv().await {
        let events = chunk?;
        for projection in &mut projections {
            feed(projection.as_mut(), &events, done, &mut connection).await?;
        }
        done = events.last().map_or(done, Decoded::position);
        let count = |of: fn(&dyn Projection) -> usize| -> usize {
            projections.iter().map(|projection| of(projection.as_ref())).sum()
        };
        let is_too_much = count(|projection| projection.held()) > MOST_HELD;
        if is_too_much || count(|projection| projection.unwritten()) > MOST_UNWRITTEN {
            write(&mut projections, done, &mut connection).await?;
        }
        if is_too_much {
            projections.iter_mut().for_each(|projection| projection.forget());
        }
    }
    write(&mut projections, done, &mut connection).await?;
    Ok(done.0 - from.0)
}

async fn write(
    projections: &mut [Box<dyn Projection>],
    done: Position,
    connection: &mut PgConnection,
) -> Result<(), SubscriptionError> {
    let mut transaction = connection.begin().await?;
    for projection in projections {
        projection.write(&mut transaction).await?;
    }
    schema::advance(&mut transaction, done.0).await?;
    Ok(transaction.commit().await?)
}

async fn read(
    mut connection: PgConnection,
    from: Position,
    until: Position,
    ready: mpsc::Sender<Chunk>,
) {
    let mut done = from;
    while done < until {
        let chunk = read_chunk(&mut connection, done, until).await;
        let last = match &chunk {
            Ok(events) => events.last().map(Decoded::position),
            Err(_) => None,
        };
        // Nobody waits for more once the fold has failed.
        if ready.send(chunk).await.is_err() {
            return;
        }
        let Some(last) = last else { return };
        done = last;
    }
}

async fn read_chunk(connection: &mut PgConnection, after: Position, until: Position) -> Chunk {
    let limit = CHUNK.min(until.0 - after.0);
    let recorded = event_store::read_after(connection, after, limit).await?;
    match decode_all(recorded) {
        (events, None) => Ok(events),
        (_, Some(undecodable)) => Err(undecodable.into()),
    }
}
