//! How far subscriptions have come, measured against the events themselves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::Position;

/// How far subscriptions have come at one moment.
#[derive(Debug, Clone)]
pub struct Standings {
    /// The position of the last event, read from the events and not from the row that counts them.
    pub head: Position,
    /// When that was recorded; `None` while there is none.
    pub head_recorded_at: Option<DateTime<Utc>>,
    /// The subscriptions in the order in which they were asked for.
    pub subscriptions: Vec<Standing>,
}

/// How far a subscription has come.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Its checkpoint; zero when it never ran.
    pub position: Position,
    /// When that last moved, or was first written; `None` when it never ran.
    pub moved_at: Option<DateTime<Utc>>,
    /// How many events it has yet to do.
    pub behind: i64,
    /// How long the oldest of them has been waiting, on the database's clock; zero when there is none.
    pub waiting: Duration,
}

#[derive(FromRow)]
struct Row {
    head: i64,
    head_recorded_at: Option<DateTime<Utc>>,
    position: i64,
    moved_at: Option<DateTime<Utc>>,
    waiting: f64,
}

/// Where subscriptions stand, and the head of the log, at one moment; at least one must be asked for.
///
/// # Errors
/// When the database does not answer.
pub async fn standings(
    connection: &mut PgConnection,
    names: &[&str],
) -> Result<Standings, sqlx::Error> {
    // Positions have no gaps, so what a subscription does next stands right behind its checkpoint.
    let rows: Vec<Row> = sqlx::query_as(
        "WITH head (position, recorded_at) AS (
             SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1
         )
         SELECT coalesce(head.position, 0) AS head, head.recorded_at AS head_recorded_at,
                coalesce(c.position, 0) AS position, c.updated_at AS moved_at,
                coalesce(extract(epoch FROM clock_timestamp() - next.recorded_at), 0)::float8 AS waiting
           FROM unnest($1) WITH ORDINALITY AS asked (name, place)
           LEFT JOIN head ON true
           LEFT JOIN checkpoints c ON c.name = asked.name
           LEFT JOIN events next ON next.position = coalesce(c.position, 0) + 1
          ORDER BY asked.place",
    )
    .bind(names)
    .fetch_all(connection)
    .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(Standings {
        head: Position(first.head),
        head_recorded_at: first.head_recorded_at,
        subscriptions: rows.iter().map(Row::standing).collect(),
    })
}

impl Row {
    fn standing(&self) -> Standing {
        Standing {
            position: Position(self.position),
            moved_at: self.moved_at,
            behind: (self.head - self.position).max(0),
            // The database's clock may have been set back since the event was recorded.
            waiting: Duration::try_from_secs_f64(self.waiting).unwrap_or_default(),
        }
    }
}
