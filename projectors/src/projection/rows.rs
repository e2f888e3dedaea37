//! Projections whose rows several events change: the batch is folded in memory between one load and
//! one write.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use domain::Event;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::{Projection, ProjectionInfo};
use crate::decoded::Decoded;
use crate::subscription::SubscriptionError;

/// The most rows loaded or written by one statement.
const MOST: usize = 20_000;

/// A row that several events change, and the rule by which they do.
pub(crate) trait Row: Sized + Send + Sync {
    /// The primary key.
    type Key: Copy + Eq + Hash + Ord + Send + Sync;
    /// What an event other than the first does to the row.
    type Change: Send + Sync;
    /// The projection; it has one table.
    const INFO: ProjectionInfo;

    /// Whether the event is of an aggregate that this is about.
    fn reads(event: &Event) -> bool;

    /// What the event does, if anything.
    fn touch(event: &Decoded) -> Option<Touch<Self>>;

    /// Applies a change. The row's position is not its concern.
    fn apply(&mut self, change: Self::Change);

    /// The primary key.
    fn key(&self) -> Self::Key;

    /// The last event that changed the row.
    fn position(&mut self) -> &mut i64;

    /// Those of the rows that exist, in one statement.
    fn load(
        connection: &mut PgConnection,
        keys: &[Self::Key],
    ) -> impl Future<Output = sqlx::Result<Vec<Self>>> + Send;

    /// Inserts or replaces the rows in one statement, except where the stored row is as new.
    fn write(
        connection: &mut PgConnection,
        rows: &[&Self],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// What an event does to a row.
pub(crate) enum Touch<R: Row> {
    /// It is the first of its row.
    Born(R),
    /// It changes the row with this key.
    Changed(R::Key, R::Change),
}

/// The projection of one such table.
pub(crate) struct Rows<R: Row> {
    held: HashMap<R::Key, R>,
    changed: BTreeSet<R::Key>,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self { held: HashMap::new(), changed: BTreeSet::new() }
    }
}

impl<R: Row> Rows<R> {
    async fn fold(
        &mut self,
        events: &[&Decoded],
        connection: &mut PgConnection,
    ) -> Result<(), SubscriptionError> {
        let touches: Vec<_> =
            events.iter().filter_map(|event| Some((event.position(), R::touch(event)?))).collect();
        self.load(&touches, connection).await?;
        for (position, touch) in touches {
            match touch {
                Touch::Born(row) => self.add(row),
                Touch::Changed(key, change) => {
                    let Some(row) = self.held.get_mut(&key) else {
                        let table = R::INFO.tables[0];
                        return Err(SubscriptionError::RowMissing { position, table });
                    };
                    if *row.position() < position.0 {
                        row.apply(change);
                        *row.position() = position.0;
                        self.changed.insert(key);
                    }
                }
            }
        }
        Ok(())
    }

    /// Loads the rows that are changed and not here yet. A row that is born in the batch need not be
    /// loaded: where the table knows it already, the write finds out which is newer.
    async fn load<P>(
        &mut self,
        touches: &[(P, Touch<R>)],
        connection: &mut PgConnection,
    ) -> sqlx::Result<()> {
        let mut born = HashSet::new();
        let mut missing = BTreeSet::new();
        for (_, touch) in touches {
            match touch {
                Touch::Born(row) => {
                    born.insert(row.key());
                }
                Touch::Changed(key, _) => {
                    if !self.held.contains_key(key) && !born.contains(key) {
                        missing.insert(*key);
                    }
                }
            }
        }
        let missing: Vec<_> = missing.into_iter().collect();
        for keys in missing.chunks(MOST) {
            let loaded = R::load(connection, keys).await?;
            self.held.extend(loaded.into_iter().map(|row| (row.key(), row)));
        }
        Ok(())
    }

    fn add(&mut self, mut row: R) {
        let key = row.key();
        let held = self.held.get_mut(&key).map(|held| *held.position());
        if held.is_none_or(|held| held < *row.position()) {
            self.held.insert(key, row);
            self.changed.insert(key);
        }
    }

    /// In the order of the keys: two writers never wait for each other in a circle.
    async fn write_changed(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let changed = std::mem::take(&mut self.changed);
        let changed: Vec<_> = changed.iter().filter_map(|key| self.held.get(key)).collect();
        for rows in changed.chunks(MOST) {
            R::write(connection, rows).await?;
        }
        Ok(())
    }
}

impl<R: Row> Projection for Rows<R> {
    fn info(&self) -> ProjectionInfo {
        R::INFO
    }

    fn reads(&self, event: &Event) -> bool {
        R::reads(event)
    }

    fn handle<'a>(
        &'a mut self,
        events: &'a [&'a Decoded],
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), SubscriptionError>> {
        self.fold(events, connection).boxed()
    }

    fn unwritten(&self) -> usize {
        self.changed.len()
    }

    fn write<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), SubscriptionError>> {
        async { Ok(self.write_changed(connection).await?) }.boxed()
    }

    fn forget(&mut self) {
        self.held.clear();
        self.changed.clear();
    }
}

/// One column of some rows, as the array that `unnest` takes apart again.
pub(crate) fn column<'r, R, T>(rows: &[&'r R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().copied().map(value).collect()
}
