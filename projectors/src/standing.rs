//! How far the projections and the relay are, as an operator sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_store::rebuilding::{self, Checkpoint};
use event_store::{Position, Standing, parking};
use sqlx::PgPool;

use crate::projection::{PROJECTIONS, ProjectionInfo};
use crate::relay;

/// The three numbers that say whether events get where they should: the head of the log, what is with
/// the broker, and how far each projection is. Each is read on its own and none follows from another.
#[derive(Debug, Clone)]
pub struct LogStandings {
    /// The position of the last event.
    pub head: Position,
    /// When that was recorded; `None` while there is none.
    pub head_recorded_at: Option<DateTime<Utc>>,
    /// The relay: everything up to its position is with the broker.
    pub relay: Standing,
    /// Every projection, in the order of [`PROJECTIONS`].
    pub projections: Vec<(ProjectionInfo, Standing)>,
    /// The checkpoints of all of these, and of rebuilds in progress, with their leases.
    pub checkpoints: Vec<Checkpoint>,
    /// How many events are parked, by checkpoint; those without any are not listed.
    pub parked: BTreeMap<String, i64>,
}

impl LogStandings {
    /// A checkpoint by its name; `None` while nothing has run that has it.
    #[must_use]
    pub fn checkpoint(&self, name: &str) -> Option<&Checkpoint> {
        self.checkpoints.iter().find(|checkpoint| checkpoint.name == name)
    }

    /// The rebuilds in progress.
    pub fn rebuilds(&self) -> impl Iterator<Item = (ProjectionInfo, &Checkpoint)> {
        PROJECTIONS.into_iter().filter_map(|projection| {
            Some((projection, self.checkpoint(&rebuilding::checkpoint(projection.name))?))
        })
    }
}

/// Where everything stands at one moment.
///
/// # Errors
/// When the database does not answer.
pub async fn standings(pool: &PgPool) -> sqlx::Result<LogStandings> {
    let checkpoints = PROJECTIONS.map(|projection| projection.checkpoint());
    let mut names = vec![relay::CHECKPOINT];
    names.extend(checkpoints.iter().map(String::as_str));
    let mut connection = pool.acquire().await?;
    let found = event_store::standings(&mut connection, &names).await?;
    let checkpoints = rebuilding::checkpoints(&mut connection).await?;
    let parked = parking::parked_counts(&mut connection).await?;
    let mut subscriptions = found.subscriptions.into_iter();
    let relay = subscriptions.next().ok_or(sqlx::Error::RowNotFound)?;
    Ok(LogStandings {
        head: found.head,
        head_recorded_at: found.head_recorded_at,
        relay,
        projections: PROJECTIONS.into_iter().zip(subscriptions).collect(),
        checkpoints,
        parked: parked.into_iter().collect(),
    })
}
