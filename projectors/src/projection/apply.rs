//! Events into a projection: those it can handle into rows, the others to be parked with whatever comes
//! behind them in their stream.

use std::collections::{HashMap, HashSet};

use event_store::Position;
use event_store::parking::{Stream, ToPark};
use sqlx::{Connection, PgConnection};

use super::Projection;
use crate::decoded::{Decoded, Read, recorded};
use crate::poison::{self, Poison};
use crate::subscription::SubscriptionError;

/// Folds those of the events that the projection reads and that are not parked; returns those that are to
/// be parked, each stream's first with the reason.
pub(crate) async fn fold<'e>(
    projection: &mut dyn Projection,
    events: impl IntoIterator<Item = &'e Read>,
    parked: &HashSet<Stream>,
    connection: &mut PgConnection,
) -> Result<Vec<ToPark>, SubscriptionError> {
    let info = projection.info();
    let mut readable: Vec<&Decoded> = Vec::new();
    let mut to_park = Vec::new();
    for read in events {
        let event = recorded(read);
        if !info.reads(&event.aggregate_type) {
            continue;
        }
        match read {
            _ if !parked.is_empty() && parked.contains(&event.stream()) => {
                to_park.push(ToPark::new(event, None));
            }
            Ok(decoded) => readable.push(decoded),
            Err(undecodable) => to_park.push(ToPark::new(event, Some(undecodable.error.clone()))),
        }
    }
    put_behind(&mut readable, &mut to_park);
    if !readable.is_empty() {
        let poisons = projection.handle(&readable, connection).await?;
        park_poisons(&readable, poisons, &mut to_park);
    }
    Ok(first_of_each_stream_first(to_park))
}

/// What comes behind an event that cannot be read waits, too.
fn put_behind(readable: &mut Vec<&Decoded>, to_park: &mut Vec<ToPark>) {
    let from = firsts(to_park);
    if from.is_empty() {
        return;
    }
    readable.retain(|event| {
        let is_behind =
            from.get(&event.recorded.stream()).is_some_and(|first| *first < event.position());
        if is_behind {
            to_park.push(ToPark::new(&event.recorded, None));
        }
        !is_behind
    });
}

fn park_poisons(readable: &[&Decoded], poisons: Vec<Poison>, to_park: &mut Vec<ToPark>) {
    for Poison { position, error } in poisons {
        let Some(place) = readable.iter().position(|event| event.position() == position) else {
            continue;
        };
        let stream = readable[place].recorded.stream();
        to_park.push(ToPark::new(&readable[place].recorded, Some(error)));
        let behind = readable[place + 1..].iter().filter(|event| event.recorded.stream() == stream);
        to_park.extend(behind.map(|event| ToPark::new(&event.recorded, None)));
    }
}

/// Where each stream is parked from.
fn firsts(to_park: &[ToPark]) -> HashMap<Stream, Position> {
    let mut firsts = HashMap::new();
    for event in to_park {
        let first = firsts.entry(event.stream.clone()).or_insert(event.position);
        *first = event.position.min(*first);
    }
    firsts
}

/// In the order of the log. Of a stream's events only the first has failed: the others were not tried.
fn first_of_each_stream_first(mut to_park: Vec<ToPark>) -> Vec<ToPark> {
    if to_park.is_empty() {
        return to_park;
    }
    to_park.sort_by_key(|event| event.position);
    let firsts = firsts(&to_park);
    for event in &mut to_park {
        if firsts.get(&event.stream).is_some_and(|first| *first < event.position) {
            event.error = None;
        }
    }
    to_park
}

/// Folds and writes stream by stream, and where one's rows are refused, event by event; returns what is to
/// be parked. For batches that the database refused as a whole: many round trips, so they should be small.
/// To be called inside a transaction.
pub(crate) async fn apply_carefully<'e>(
    projection: &mut dyn Projection,
    events: impl IntoIterator<Item = &'e Read>,
    parked: &HashSet<Stream>,
    connection: &mut PgConnection,
) -> Result<Vec<ToPark>, SubscriptionError> {
    projection.forget();
    let mut streams: Vec<(Stream, Vec<&Read>)> = Vec::new();
    let mut places = HashMap::new();
    for read in events {
        let event = recorded(read);
        if !projection.info().reads(&event.aggregate_type) {
            continue;
        }
        let stream = event.stream();
        let place = *places.entry(stream.clone()).or_insert_with(|| {
            streams.push((stream, Vec::new()));
            streams.len() - 1
        });
        streams[place].1.push(read);
    }
    let mut to_park = Vec::new();
    for (stream, events) in streams {
        let is_parked = parked.contains(&stream);
        let mut rest = events.as_slice();
        if !is_parked {
            match attempt(projection, rest, connection).await? {
                Ok(parked) => {
                    to_park.extend(parked);
                    continue;
                }
                Err(_) => rest = one_by_one(projection, rest, &mut to_park, connection).await?,
            }
        }
        to_park.extend(rest.iter().map(|read| ToPark::new(recorded(read), None)));
    }
    to_park.sort_by_key(|event| event.position);
    Ok(to_park)
}

/// One after the other up to the first that fails, which is to be parked; returns those behind it.
async fn one_by_one<'e, 'r>(
    projection: &mut dyn Projection,
    events: &'e [&'r Read],
    to_park: &mut Vec<ToPark>,
    connection: &mut PgConnection,
) -> Result<&'e [&'r Read], SubscriptionError> {
    for (place, read) in events.iter().enumerate() {
        let failed = match attempt(projection, &[*read], connection).await? {
            Ok(parked) => parked,
            Err(error) => vec![ToPark::new(recorded(read), Some(error))],
        };
        if !failed.is_empty() {
            to_park.extend(failed);
            return Ok(&events[place + 1..]);
        }
    }
    Ok(&[])
}

/// Folds and writes; if the database refuses the data, nothing of it stays, and the inner error says why.
async fn attempt(
    projection: &mut dyn Projection,
    events: &[&Read],
    connection: &mut PgConnection,
) -> Result<Result<Vec<ToPark>, String>, SubscriptionError> {
    let mut savepoint = connection.begin().await?;
    let none = HashSet::new();
    let to_park = fold(projection, events.iter().copied(), &none, &mut savepoint).await?;
    match projection.write(&mut savepoint).await {
        Ok(()) => {
            savepoint.commit().await?;
            Ok(Ok(to_park))
        }
        Err(error) if poison::is_about_data(&error) => {
            savepoint.rollback().await?;
            projection.forget();
            Ok(Err(poison::in_words(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
