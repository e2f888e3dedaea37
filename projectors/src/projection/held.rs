//! A projection under its lease: what this replica knows of it, and what it does for it alone.

use std::collections::HashSet;

use event_store::parking::{self, Stream, ToPark};
use event_store::{Epoch, Position, RecordedEvent};
use sqlx::{Connection, PgConnection};

use super::{Projection, apply_carefully};
use crate::decoded::{Read, decode_all, recorded};
use crate::lease::Lease;
use crate::subscription::{Step, SubscriptionError};
use crate::trace;

/// The most events in one transaction where each stream is written alone.
const CAREFUL_BATCH: i64 = 200;
/// The most parked events tried again in one transaction.
const RETRIED: i64 = 500;

/// A projection, and its lease if this replica holds it.
pub(super) struct Held {
    pub(super) projection: Box<dyn Projection>,
    pub(super) name: String,
    pub(super) lease: Option<Lease>,
    /// Up to here each stream is written alone, to find out which one the database refuses.
    pub(super) careful_until: Position,
}

impl Held {
    pub(super) fn new(projection: Box<dyn Projection>) -> Self {
        Self {
            name: projection.info().checkpoint(),
            projection,
            lease: None,
            careful_until: Position(0),
        }
    }
}

impl Held {
    /// Whether it has something to do that others that stand where it stands do not have to do.
    pub(super) fn is_special(&self) -> bool {
        let is_special =
            |lease: &Lease| self.careful_until > lease.done || !lease.to_retry.is_empty();
        self.lease.as_ref().is_some_and(is_special)
    }

    pub(super) fn epoch(&self) -> Option<(&str, Epoch)> {
        self.lease.as_ref().map(|lease| (self.name.as_str(), lease.epoch))
    }

    /// The transaction that moved the checkpoint is committed.
    pub(super) fn moved(&mut self, to: Position, parked: Vec<ToPark>) {
        if let Some(lease) = &mut self.lease {
            lease.moved(self.projection.info().name, to, parked);
        }
    }
}

/// What one projection has to do without the others: parked events again, or a batch stream by stream.
pub(super) async fn alone(
    held: &mut Held,
    limit: i64,
    connection: &mut PgConnection,
) -> Result<Step, SubscriptionError> {
    let Held { projection, name, lease: Some(lease), careful_until } = held else {
        return Ok(Step::StandBy);
    };
    let (epoch, from) = (lease.epoch, lease.done);
    if let Some(stream) = lease.to_retry.first().cloned() {
        let mut transaction = connection.begin().await?;
        let is_mine = event_store::advance(&mut transaction, &[(name, epoch)], from, from).await?;
        if is_mine && retry(projection.as_mut(), name, &stream, &mut transaction).await? {
            lease.to_retry.retain(|other| *other != stream);
        }
        transaction.commit().await?;
        if lease.to_retry.is_empty() || !is_mine {
            // Which streams are parked now is best asked of the database.
            held.lease = None;
        }
        return Ok(Step::WorkedWithMore(from));
    }
    let limit = CAREFUL_BATCH.min(limit).min(careful_until.0 - from.0);
    let events: Vec<Read> = decode_all(event_store::read_after(connection, from, limit).await?);
    let Some(last) = events.last().map(|read| recorded(read).position) else {
        return Ok(Step::Idle(from));
    };
    let mut transaction = connection.begin().await?;
    if !event_store::advance(&mut transaction, &[(name, epoch)], from, last).await? {
        transaction.rollback().await?;
        held.lease = None;
        return Ok(Step::StandBy);
    }
    let to_park =
        apply_carefully(projection.as_mut(), &events, &lease.parked, &mut transaction).await?;
    parking::park(&mut transaction, name, &to_park).await?;
    transaction.commit().await?;
    let info = projection.info();
    let is_projected = |event: &&RecordedEvent| {
        info.reads(&event.aggregate_type) && !to_park.iter().any(|it| it.position == event.position)
    };
    trace::became("projected", events.iter().map(recorded).filter(is_projected));
    held.moved(last, to_park);
    Ok(Step::WorkedWithMore(last))
}

/// Tries the first parked events of a stream again, in order, up to the first that fails again. Whether
/// that is all that can be done for the stream now.
async fn retry(
    projection: &mut dyn Projection,
    name: &str,
    stream: &Stream,
    connection: &mut PgConnection,
) -> Result<bool, SubscriptionError> {
    let parked = parking::parked_events(connection, name, stream, RETRIED).await?;
    let is_all = i64::try_from(parked.len()).is_ok_and(|count| count < RETRIED);
    let events = decode_all(parked);
    let failed = apply_carefully(projection, &events, &HashSet::new(), connection).await?;
    let waiting: HashSet<_> = failed.iter().map(|event| event.position).collect();
    let positions = events.iter().map(|read| recorded(read).position);
    let done: Vec<_> = positions.filter(|position| !waiting.contains(position)).collect();
    parking::unpark(connection, name, &done).await?;
    let is_done = |event: &&RecordedEvent| !waiting.contains(&event.position);
    trace::became("projected", events.iter().map(recorded).filter(is_done));
    if let Some(ToPark { position, error: Some(error), .. }) = failed.first() {
        parking::failed_again(connection, name, stream, *position, error).await?;
        return Ok(true);
    }
    Ok(is_all)
}
