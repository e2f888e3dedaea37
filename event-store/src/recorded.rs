//! Events as read back from the log, in position order.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::{Event, EventError};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::Metadata;

/// A place in the whole log. Gapless and in commit order: "I have seen N" means everything up to N.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Position(pub i64);

impl From<i64> for Position {
    fn from(position: i64) -> Self {
        Self(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event on the log.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    /// Its place in the log.
    pub position: Position,
    /// Its id.
    pub event_id: Uuid,
    /// The stream's aggregate type.
    pub aggregate_type: String,
    /// The stream's aggregate id.
    pub aggregate_id: String,
    /// Its place in the stream.
    pub sequence: i64,
    /// Its type as stored.
    pub event_type: String,
    /// Its version as stored.
    pub event_version: String,
    /// Its payload, exactly as stored.
    pub payload: String,
    /// Its metadata, exactly as stored.
    pub metadata: String,
    /// When it was appended, on the database's clock; ordered as position is.
    pub recorded_at: DateTime<Utc>,
}

impl RecordedEvent {
    /// The payload decoded, old versions upcast.
    ///
    /// # Errors
    /// When this version of the domain cannot read it; see [`Event::decode`].
    pub fn event(&self) -> Result<Event, EventError> {
        Event::decode(&self.aggregate_type, &self.event_type, &self.event_version, &self.payload)
    }

    /// The metadata decoded.
    ///
    /// # Errors
    /// When the stored metadata is damaged; the database checks its keys at insert.
    pub fn metadata(&self) -> Result<Metadata, serde_json::Error> {
        serde_json::from_str(&self.metadata)
    }

    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            position: Position(row.try_get(0)?),
            event_id: row.try_get(1)?,
            aggregate_type: row.try_get(2)?,
            aggregate_id: row.try_get(3)?,
            sequence: row.try_get(4)?,
            event_type: row.try_get(5)?,
            event_version: row.try_get(6)?,
            payload: row.try_get(7)?,
            metadata: row.try_get(8)?,
            recorded_at: row.try_get(9)?,
        })
    }
}

/// The position of the last event on the log.
///
/// # Errors
/// When the database does not answer.
pub async fn head(connection: &mut PgConnection) -> Result<Position, sqlx::Error> {
    sqlx::query_scalar("SELECT position FROM log_head").fetch_one(connection).await.map(Position)
}

const COLUMNS: &str = "
    SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
           payload::text, metadata::text, recorded_at
      FROM events";

/// The next events after a position, oldest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn read_after(
    connection: &mut PgConnection,
    after: Position,
    limit: i64,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    sqlx::query(&format!("{COLUMNS} WHERE position > $1 ORDER BY position LIMIT $2"))
        .bind(after.0)
        .bind(limit)
        .fetch_all(connection)
        .await?
        .iter()
        .map(RecordedEvent::from_row)
        .collect()
}

/// All events of one aggregate of a type, or of all of them, in position order.
pub(crate) async fn read_streams(
    connection: &mut PgConnection,
    aggregate_type: &str,
    aggregate_id: Option<&str>,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    sqlx::query(&format!(
        "{COLUMNS} WHERE aggregate_type = $1 AND ($2 IS NULL OR aggregate_id = $2) ORDER BY position"
    ))
    .bind(aggregate_type)
    .bind(aggregate_id)
    .fetch_all(connection)
    .await?
    .iter()
    .map(RecordedEvent::from_row)
    .collect()
}

/// The events at these positions, in position order.
///
/// # Errors
/// When the database does not answer.
pub async fn read_at(
    connection: &mut PgConnection,
    positions: &[Position],
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    let positions: Vec<_> = positions.iter().map(|position| position.0).collect();
    sqlx::query(&format!("{COLUMNS} WHERE position = ANY ($1) ORDER BY position"))
        .bind(positions)
        .fetch_all(connection)
        .await?
        .iter()
        .map(RecordedEvent::from_row)
        .collect()
}
