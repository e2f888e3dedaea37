//! Read models: rules that turn events into rows, and the runner that keeps rows and checkpoints together.
//!
//! A new read model is one file here, one line in [`all`] and one in [`PROJECTIONS`].

mod apply;
mod bulk;
mod catalogue;
mod game_server_instances;
mod held;
mod rows;
mod runner;
mod worker_requests;
mod workers;

use futures::future::BoxFuture;
use sqlx::PgConnection;

pub(crate) use self::apply::{apply_carefully, fold};
pub(crate) use self::rows::Known;
use self::rows::{Row, Rows};
use crate::decoded::Decoded;
use crate::poison::Poison;
use crate::subscription::SubscriptionError;

pub use runner::Projectors;

/// What a projection is called, what it reads and what it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectionInfo {
    /// Its name; its checkpoint is `projector.<name>`.
    pub name: &'static str,
    /// Raised when its rule changes: rows of another version need a rebuild.
    pub version: i32,
    /// The types of the aggregates whose events it reads.
    pub aggregates: &'static [&'static str],
    /// The tables that it alone writes.
    pub tables: &'static [&'static str],
}

impl ProjectionInfo {
    /// The name of its checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        format!("projector.{}", self.name)
    }

    /// Whether it reads events of such aggregates.
    #[must_use]
    pub fn reads(&self, aggregate_type: &str) -> bool {
        self.aggregates.contains(&aggregate_type)
    }
}

/// Every projection.
pub const PROJECTIONS: [ProjectionInfo; 4] = [
    workers::WorkerRow::INFO,
    game_server_instances::InstanceRow::INFO,
    catalogue::INFO,
    worker_requests::RequestRow::INFO,
];

/// A rule that turns events into rows of its own tables.
///
/// Events are folded into rows in memory and the rows written together, so that a batch costs a few
/// round trips whatever its size. What was folded and not written is only in memory: whoever drives
/// a projection writes it in one transaction with the checkpoint, or makes it forget.
///
/// The rows that a stream's events touch are touched by no other stream's: so a stream can be put aside
/// alone.
///
/// Table names are not qualified: the connection's search path says which schema is filled.
pub(crate) trait Projection: Send {
    /// Its name, version and tables.
    fn info(&self) -> ProjectionInfo;

    /// Folds events into rows, after loading the rows they change. An event whose effect a row shows
    /// already changes nothing. One that it cannot fold is told, and the later ones of its stream are
    /// left alone.
    fn handle<'a>(
        &'a mut self,
        events: &'a [&'a Decoded],
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<Vec<Poison>, SubscriptionError>>;

    /// How many rows are in memory.
    fn held(&self) -> usize;

    /// How many of them wait to be written.
    fn unwritten(&self) -> usize;

    /// Writes the rows that wait. If that fails, what was in memory is of no use any more: forget it.
    fn write<'a>(&'a mut self, connection: &'a mut PgConnection)
    -> BoxFuture<'a, sqlx::Result<()>>;

    /// Drops all rows held in memory, written or not.
    fn forget(&mut self);
}

/// One of each, in the order of [`PROJECTIONS`]. `newborn` is what the tables know of entities whose
/// first event is read: nothing, in a schema that is filled for the first time.
pub(crate) fn all(newborn: Known) -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(Rows::<workers::WorkerRow>::new(newborn)),
        Box::new(Rows::<game_server_instances::InstanceRow>::new(newborn)),
        Box::new(catalogue::Catalogue::default()),
        Box::new(Rows::<worker_requests::RequestRow>::new(newborn)),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Known, PROJECTIONS, all};

    #[test]
    fn every_projection_is_listed() {
        let running: Vec<_> =
            all(Known::Never).iter().map(|projection| projection.info()).collect();
        assert_eq!(running, PROJECTIONS);
    }
}
