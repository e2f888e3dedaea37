//! Projections whose rows several events change: the batch is folded in memory between one load and
//! one write.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::bulk::Bulk;
use super::{Projection, ProjectionInfo};
use crate::decoded::Decoded;
use crate::poison::Poison;
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
    /// How rows that the table does not know are written; `None` where there are too few of them to care.
    const BULK: Option<Bulk<Self>> = None;

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

    /// Inserts the rows in one statement.
    fn write(
        connection: &mut PgConnection,
        rows: &[&Self],
        known: Known,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// Whether the table may know a row that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Then it is replaced, unless the stored one is as new.
    Perhaps,
    /// Which spares the table from looking: half of what a write costs.
    Never,
}

impl Known {
    /// An `INSERT` with what is to be done with a row that is known.
    pub(crate) fn statement(self, insert: &str, replace: &str) -> String {
        match self {
            Self::Perhaps => format!("{insert} {replace}"),
            Self::Never => insert.to_owned(),
        }
    }
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
    born: BTreeSet<R::Key>,
    /// What the table knows of rows that are born.
    newborn: Known,
}

impl<R: Row> Rows<R> {
    pub(crate) fn new(newborn: Known) -> Self {
        Self { held: HashMap::new(), changed: BTreeSet::new(), born: BTreeSet::new(), newborn }
    }

    async fn fold(
        &mut self,
        events: &[&Decoded],
        connection: &mut PgConnection,
    ) -> sqlx::Result<Vec<Poison>> {
        let touches: Vec<_> =
            events.iter().filter_map(|event| Some((*event, R::touch(event)?))).collect();
        self.load(&touches, connection).await?;
        let mut poisons = Vec::new();
        let mut stopped = HashSet::new();
        for (event, touch) in touches {
            let position = event.position();
            if !stopped.is_empty() && stopped.contains(&event.recorded.stream()) {
                continue;
            }
            match touch {
                Touch::Born(row) => self.add(row),
                Touch::Changed(key, change) => {
                    let Some(row) = self.held.get_mut(&key) else {
                        // Somebody wrote to the table, or an event before this one was skipped.
                        let error =
                            format!("it changes a row of {} that does not exist", R::INFO.name);
                        poisons.push(Poison { position, error });
                        stopped.insert(event.recorded.stream());
                        continue;
                    };
                    if *row.position() < position.0 {
                        row.apply(change);
                        *row.position() = position.0;
                        if !self.born.contains(&key) {
                            self.changed.insert(key);
                        }
                    }
                }
            }
        }
        Ok(poisons)
    }

    /// Loads the rows that are changed and not here yet. A row that is born in the batch need not be
    /// loaded: where the table knows it already, the write finds out which is newer.
    async fn load(
        &mut self,
        touches: &[(&Decoded, Touch<R>)],
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
            self.born.insert(key);
        }
    }

    async fn write_all(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let (born, changed) = (std::mem::take(&mut self.born), std::mem::take(&mut self.changed));
        for (keys, known) in [(born, self.newborn), (changed, Known::Perhaps)] {
            let rows: Vec<_> = keys.iter().filter_map(|key| self.held.get(key)).collect();
            if let (Some(bulk), Known::Never, false) = (R::BULK, known, rows.is_empty()) {
                for table in R::INFO.tables {
                    bulk.write(connection, table, &rows).await?;
                }
                continue;
            }
            for rows in rows.chunks(MOST) {
                R::write(connection, rows, known).await?;
            }
        }
        Ok(())
    }
}

impl<R: Row> Projection for Rows<R> {
    fn info(&self) -> ProjectionInfo {
        R::INFO
    }

    fn handle<'a>(
        &'a mut self,
        events: &'a [&'a Decoded],
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<Vec<Poison>, SubscriptionError>> {
        async { Ok(self.fold(events, connection).await?) }.boxed()
    }

    fn held(&self) -> usize {
        self.held.len()
    }

    fn unwritten(&self) -> usize {
        self.born.len() + self.changed.len()
    }

    fn write<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        self.write_all(connection).boxed()
    }

    fn forget(&mut self) {
        self.held.clear();
        self.changed.clear();
        self.born.clear();
    }
}

/// One column of some rows, as the array that `unnest` takes apart again.
pub(crate) fn column<'r, R, T>(rows: &[&'r R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().copied().map(value).collect()
}
