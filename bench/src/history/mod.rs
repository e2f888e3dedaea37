//! A log as a fleet of game hosts writes it: short lives and long ones, interleaved, in the shapes that the
//! domain writes today. Of a hundred events 23 are reports of progress, 23 of a status, 18 outcomes of requests,
//! 18 requests, 8 births and 8 ends of instances; the rest is the life of workers, and the catalogue. They make
//! 26 rows. Reading them is a rebuild's cheap half and rows its dear one: a log of few entities that live long,
//! with a hundred events to a row, would be rebuilt faster.
//!
//! ```text
//! mod.rs     the events as rows of the log
//! fleet.rs   hosts, workers, configs, and whose turn it is
//! life.rs    the life of an instance
//! random.rs  chance that is the same in every run
//! ```

mod fleet;
mod life;
mod random;

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::Result;
use cqrs_es::{Aggregate, DomainEvent};
use domain::{
    DeadLetter, Event, GameServer, GameServerConfig, GameServerInstance, Instant, Subscription,
    Worker,
};
use event_store::Metadata;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use self::fleet::{Fleet, Happened};

/// Events that a host writes in the time that is told, some three days.
const EVENTS_PER_HOST: i64 = 1_700;
/// Bytes that are worth sending.
const BUFFER: usize = 1 << 20;

/// The version that each stream has reached.
type Versions = HashMap<(String, i32), i64>;

/// Puts so many events on a migrated database's log, which is empty but for the seed. Not through the append
/// function, which would take minutes: without claims.
///
/// The fleet's size grows with the number of events, so that a short log has as many rows to the event as a
/// long one: what each event costs can be compared.
pub async fn append(pool: &PgPool, events: i64) -> Result<()> {
    let mut fleet = Fleet::new((events / EVENTS_PER_HOST).max(1) as usize);
    let mut connection = pool.acquire().await?;
    let head: i64 =
        sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&mut *connection).await?;
    // Building an index at once is cheaper than keeping it up to date row by row.
    sqlx::raw_sql("ALTER TABLE events DROP CONSTRAINT events_stream")
        .execute(&mut *connection)
        .await?;
    let mut copy = connection.copy_in_raw("COPY events FROM STDIN").await?;
    let (mut text, mut versions, mut position) = (String::new(), Versions::new(), head);
    while position < head + events {
        let (at, happened) = fleet.next();
        for happened in happened.into_iter().take((head + events - position) as usize) {
            position += 1;
            write(&mut text, position, happened, at, &mut versions)?;
        }
        if text.len() > BUFFER {
            copy.send(text.as_bytes()).await?;
            text.clear();
        }
    }
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    sqlx::raw_sql(
        "ALTER TABLE events ADD CONSTRAINT events_stream UNIQUE (aggregate_type, aggregate_id, sequence);
         UPDATE log_head SET (position, recorded_at) = (SELECT max(position), max(recorded_at) FROM events)",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE events").execute(&mut *connection).await?;
    Ok(())
}

/// Writes an event as a line of COPY's text format.
fn write(
    text: &mut String,
    position: i64,
    Happened { aggregate_id, event, actor }: Happened,
    at: Instant,
    versions: &mut Versions,
) -> Result<()> {
    let (aggregate_type, [event_type, event_version, payload]) = match &event {
        Event::Worker(event) => (Worker::TYPE, stored(event)?),
        Event::Instance(event) => (GameServerInstance::TYPE, stored(event)?),
        Event::GameServer(event) => (GameServer::TYPE, stored(event)?),
        Event::Config(event) => (GameServerConfig::TYPE, stored(event)?),
        Event::Subscription(event) => (Subscription::TYPE, stored(event)?),
        Event::DeadLetter(event) => (DeadLetter::TYPE, stored(event)?),
    };
    let sequence = versions.entry((aggregate_type.to_owned(), aggregate_id)).or_default();
    *sequence += 1;
    let metadata = serde_json::to_string(&Metadata {
        actor_kind: actor.kind,
        actor_id: actor.id,
        correlation_id: id(position, 1),
        causation_id: None,
        command_id: id(position, 2),
        reason: None,
    })?;
    // Of what JSON is made of, a backslash is all that the format gives a meaning.
    let payload = payload.replace('\\', r"\\");
    let (event_id, at) = (id(position, 3), at.to_rfc3339());
    writeln!(
        text,
        "{position}\t{aggregate_type}\t{aggregate_id}\t{sequence}\t{event_type}\t{event_version}\t\
         {payload}\t{metadata}\t{event_id}\t{at}"
    )?;
    Ok(())
}

/// An id as this log's position gives it, one for each purpose.
fn id(position: i64, purpose: u128) -> Uuid {
    const UUIDV7: u128 = 0x018f_0000_0000_7000_8000_0000_0000_0000;
    Uuid::from_u128(UUIDV7 | (position as u128) << 8 | purpose)
}

/// Type, version and payload.
fn stored<E: DomainEvent + Serialize>(event: &E) -> Result<[String; 3]> {
    Ok([event.event_type(), event.event_version(), serde_json::to_string(event)?])
}
