//! Parked events, as the holder of a subscription handles them: what it could not handle is put aside
//! with all later events of the same stream, so that the others flow on.
//!
//! All of this belongs into the transaction that moves the checkpoint.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Position, RecordedEvent};

/// A stream: one aggregate's events.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The aggregate's type.
    pub aggregate_type: String,
    /// Its id.
    pub aggregate_id: String,
}

impl RecordedEvent {
    /// The stream that it belongs to.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream {
            aggregate_type: self.aggregate_type.clone(),
            aggregate_id: self.aggregate_id.clone(),
        }
    }
}

/// An event to be parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToPark {
    /// Where it stands.
    pub position: Position,
    /// Its stream.
    pub stream: Stream,
    /// Its id.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Why it could not be handled; `None` when it waits behind one that could not.
    pub error: Option<String>,
}

impl ToPark {
    /// An event that is parked for a reason, or because of an earlier one.
    #[must_use]
    pub fn new(event: &RecordedEvent, error: Option<String>) -> Self {
        Self {
            position: event.position,
            stream: event.stream(),
            event_id: event.event_id,
            event_type: event.event_type.clone(),
            error,
        }
    }
}

/// Parks events. One that is parked already stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn park(
    connection: &mut PgConnection,
    subscription: &str,
    events: &[ToPark],
) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&ToPark) -> &str| events.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO parked_events (subscription, position, aggregate_type, aggregate_id, event_id,
                                    event_type, error, attempts, last_failed_at)
         SELECT $1, position, aggregate_type, aggregate_id, event_id, event_type, error,
                CASE WHEN error IS NULL THEN 0 ELSE 1 END, CASE WHEN error IS NOT NULL THEN now() END
           FROM unnest($2::bigint[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
                AS e (position, aggregate_type, aggregate_id, event_id, event_type, error)
         ON CONFLICT DO NOTHING",
    )
    .bind(subscription)
    .bind(events.iter().map(|event| event.position.0).collect::<Vec<_>>())
    .bind(column(|event| &event.stream.aggregate_type))
    .bind(column(|event| &event.stream.aggregate_id))
    .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
    .bind(column(|event| &event.event_type))
    .bind(events.iter().map(|event| event.error.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The streams of which a subscription has parked events: later ones are to be parked behind them.
///
/// # Errors
/// When the database does not answer.
pub async fn parked_streams(
    connection: &mut PgConnection,
    subscription: &str,
) -> sqlx::Result<HashSet<Stream>> {
    let streams: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT aggregate_type, aggregate_id FROM parked_events WHERE subscription = $1",
    )
    .bind(subscription)
    .fetch_all(connection)
    .await?;
    Ok(streams.into_iter().map(Stream::from).collect())
}

/// The streams of which somebody wants the parked events tried again.
///
/// # Errors
/// When the database does not answer.
pub async fn streams_to_retry(
    connection: &mut PgConnection,
    subscription: &str,
) -> sqlx::Result<Vec<Stream>> {
    let streams: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT aggregate_type, aggregate_id FROM parked_events
          WHERE subscription = $1 AND retry_requested_at IS NOT NULL",
    )
    .bind(subscription)
    .fetch_all(connection)
    .await?;
    Ok(streams.into_iter().map(Stream::from).collect())
}

impl From<(String, String)> for Stream {
    fn from((aggregate_type, aggregate_id): (String, String)) -> Self {
        Self { aggregate_type, aggregate_id }
    }
}

/// The first parked events of a stream, oldest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn parked_events(
    connection: &mut PgConnection,
    subscription: &str,
    stream: &Stream,
    limit: i64,
) -> sqlx::Result<Vec<RecordedEvent>> {
    let positions: Vec<i64> = sqlx::query_scalar(
        "SELECT position FROM parked_events
          WHERE subscription = $1 AND aggregate_type = $2 AND aggregate_id = $3
          ORDER BY position LIMIT $4",
    )
    .bind(subscription)
    .bind(&stream.aggregate_type)
    .bind(&stream.aggregate_id)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let positions: Vec<_> = positions.into_iter().map(Position).collect();
    crate::read_at(connection, &positions).await
}

/// Forgets parked events that were handled.
///
/// # Errors
/// When the database does not answer.
pub async fn unpark(
    connection: &mut PgConnection,
    subscription: &str,
    positions: &[Position],
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM parked_events WHERE subscription = $1 AND position = ANY ($2)")
        .bind(subscription)
        .bind(positions.iter().map(|position| position.0).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Records that a parked event failed again; nobody tries its stream until somebody asks for it anew.
///
/// # Errors
/// When the database does not answer.
pub async fn failed_again(
    connection: &mut PgConnection,
    subscription: &str,
    stream: &Stream,
    position: Position,
    error: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE parked_events
            SET retry_requested_at = NULL,
                error = CASE WHEN position = $4 THEN $5 ELSE error END,
                attempts = attempts + CASE WHEN position = $4 THEN 1 ELSE 0 END,
                last_failed_at = CASE WHEN position = $4 THEN now() ELSE last_failed_at END
          WHERE subscription = $1 AND aggregate_type = $2 AND aggregate_id = $3",
    )
    .bind(subscription)
    .bind(&stream.aggregate_type)
    .bind(&stream.aggregate_id)
    .bind(position.0)
    .bind(error)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many events each subscription has parked; those without any are not listed.
///
/// # Errors
/// When the database does not answer.
pub async fn parked_counts(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as("SELECT subscription, count(*) FROM parked_events GROUP BY subscription")
        .fetch_all(connection)
        .await
}
