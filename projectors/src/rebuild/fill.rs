//! Events into the rows of a rebuilt schema.

use std::collections::HashSet;

use event_store::Position;
use event_store::parking::Stream;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Progress, Target, Tell, patient, schema};
use crate::decoded::{Read, decode_all, recorded};
use crate::projection::{Known, Projection, all, fold};
use crate::subscription::SubscriptionError;

/// Events per read.
const CHUNK: i64 = 10_000;
/// Chunks that may wait for the fold, so that reading goes on while rows are written.
const AHEAD: usize = 4;
/// Changed rows that are worth a write.
const MOST_UNWRITTEN: usize = 20_000;
/// Rows kept in memory, in case that later events change them; some hundred bytes each.
const MOST_HELD: usize = 300_000;

type Chunk = Result<Vec<Read>, SubscriptionError>;

/// A projection, and the position up to which it folds events.
struct Filled {
    projection: Box<dyn Projection>,
    until: Position,
    /// Streams of which an event could not be handled: they stop there, as the live ones do.
    parked: HashSet<Stream>,
}

/// Goes on from where the schema on the connection's search path stands, with each projection to where
/// it is to stand; returns how many events that were.
///
/// The log is read on another connection, as it is now: inside a transaction only what is on the log
/// already when that begins may be asked for.
pub(super) async fn fill(
    connection: &mut PgConnection,
    pool: &PgPool,
    targets: &[Target],
    tell: &mut Tell<'_>,
) -> Result<i64, SubscriptionError> {
    let from = Position(schema::position(connection).await?);
    let until = targets.iter().map(|target| target.until).max().unwrap_or(from);
    let (ready, mut chunks) = mpsc::channel(AHEAD);
    // Dropped with this function, whatever becomes of it.
    let mut reader = JoinSet::new();
    let log = patient(pool, schema::LIVE).await?;
    reader.spawn(read(log, from, until, ready));

    let mut filled = begin(targets);
    let mut done = from;
    if from < until {
        tell(Progress::Filling { done, of: until });
    }
    while let Some(chunk) = chunks.recv().await {
        let events = chunk?;
        for Filled { projection, until, parked } in &mut filled {
            let wanted = events.partition_point(|read| recorded(read).position <= *until);
            let skip = events.partition_point(|read| recorded(read).position <= done);
            let to_park =
                fold(projection.as_mut(), &events[skip..wanted], parked, connection).await?;
            parked.extend(to_park.into_iter().map(|event| event.stream));
        }
        done = events.last().map_or(done, |read| recorded(read).position);
        let count = |of: fn(&dyn Projection) -> usize| -> usize {
            filled.iter().map(|filled| of(filled.projection.as_ref())).sum()
        };
        let is_too_much = count(|projection| projection.held()) > MOST_HELD;
        if is_too_much || count(|projection| projection.unwritten()) > MOST_UNWRITTEN {
            write(&mut filled, done, connection).await?;
        }
        if is_too_much {
            filled.iter_mut().for_each(|filled| filled.projection.forget());
        }
        tell(Progress::Filling { done, of: until });
    }
    write(&mut filled, done, connection).await?;
    Ok(done.0 - from.0)
}

/// Rows and position are committed together, so an entity born after it is new to the schema.
fn begin(targets: &[Target]) -> Vec<Filled> {
    let all = all(Known::Never).into_iter();
    all.filter_map(|projection| {
        let target = targets.iter().find(|target| target.projection == projection.info())?;
        Some(Filled { projection, until: target.until, parked: HashSet::new() })
    })
    .collect()
}

async fn write(
    filled: &mut [Filled],
    done: Position,
    connection: &mut PgConnection,
) -> Result<(), SubscriptionError> {
    let mut transaction = connection.begin().await?;
    for Filled { projection, .. } in filled {
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
            Ok(events) => events.last().map(|read| recorded(read).position),
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
    Ok(decode_all(event_store::read_after(connection, after, limit).await?))
}
