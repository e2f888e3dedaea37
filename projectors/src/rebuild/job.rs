//! A rebuild from its begin to where it could be switched: by one process, or by several one after the
//! other.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use event_store::{Log, Position, rebuilding};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::diff::differences;
use super::fill::fill;
use super::hold::{Keeper, Lease, in_progress, take_over};
use super::threads::Threads;
use super::twin::{Twin, live_positions, tables};
use super::{Differences, Progress, RebuildError, Tell, schema, session, skips};
use crate::projection::{PROJECTIONS, ProjectionInfo};

/// A live projection that is further behind than this is not waited for: the rebuild goes on to the head
/// of the log, and shows more than it does.
const FAR_BEHIND: i64 = 20_000;
/// What is left to do when filling counts as done: it is done in a moment.
const NEAR: i64 = 2_000;
/// How long to wait until the live rows show as much as the rebuilt ones, to compare them.
const PATIENCE: Duration = Duration::from_secs(10);

/// A rebuild of projections that this process works on.
pub struct Rebuild {
    pub(super) log: Log,
    pub(super) pool: PgPool,
    pub(super) projections: Vec<ProjectionInfo>,
    pub(super) keeper: Keeper,
    threads: Threads,
    /// The events that were left out when this was last looked at, by projection.
    known_skips: BTreeMap<&'static str, BTreeSet<Position>>,
    /// The longest that a reader can have waited for a try to switch.
    pub(super) readers_waited: Duration,
}

/// What filling came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// How many events were read, by this process.
    pub events: i64,
    /// How long it took, indexes included.
    pub elapsed: Duration,
}

impl Filled {
    /// Events per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.events as f64 / seconds } else { 0.0 }
    }
}

impl Rebuild {
    /// Begins with empty tables beside the live ones.
    ///
    /// # Errors
    /// See [`RebuildError`]; also when a rebuild of one of them is in progress.
    pub async fn begin(log: &Log, projections: &[ProjectionInfo]) -> Result<Self, RebuildError> {
        super::finish::finish(log, projections).await?;
        let owner = crate::lease::replica_name();
        let mut connection = session(log.pool(), "public").await?;
        let mut transaction = connection.begin().await?;
        let named: Vec<_> =
            projections.iter().map(|it| (rebuilding::checkpoint(it.name), it.version)).collect();
        let held = rebuilding::begin(&mut transaction, &owner, &named).await?;
        if held.len() < projections.len() {
            transaction.rollback().await?;
            let found = in_progress(&mut connection, projections).await?;
            return Err(found.into_iter().next().map_or(RebuildError::Moved, in_the_way));
        }
        schema::create_next(&mut transaction, &tables(projections)).await?;
        transaction.commit().await?;
        Self::start(log, projections.to_vec(), Lease { owner, held }, &mut connection).await
    }

    /// Goes on with what another process began and left, or died over.
    ///
    /// # Errors
    /// See [`RebuildError`]; also when there is nothing to go on with, or somebody still works on it.
    pub async fn resume(log: &Log, projections: &[ProjectionInfo]) -> Result<Self, RebuildError> {
        let owner = crate::lease::replica_name();
        let mut connection = session(log.pool(), "public").await?;
        let found = in_progress(&mut connection, projections).await?;
        for projection in projections {
            let Some((_, seen)) = found.iter().find(|(it, _)| it == projection) else {
                return Err(RebuildError::NotInProgress { projection: projection.name });
            };
            if seen.version != Some(projection.version) {
                let (projection, ours) = (projection.name, projection.version);
                let version = seen.version.unwrap_or_default();
                return Err(RebuildError::OtherVersion { projection, version, ours });
            }
        }
        let mut held = Vec::new();
        for (projection, seen) in found {
            match take_over(&mut connection, &owner, &seen.name).await? {
                Some(epoch) => held.push((seen.name, epoch)),
                None => {
                    let names: Vec<_> = held.into_iter().map(|(name, _)| name).collect();
                    event_store::lease::give_back(&mut connection, &owner, &names).await?;
                    let now = in_progress(&mut connection, &[projection]).await?;
                    return Err(now.into_iter().next().map_or(
                        RebuildError::NotInProgress { projection: projection.name },
                        in_the_way,
                    ));
                }
            }
        }
        Self::start(log, projections.to_vec(), Lease { owner, held }, &mut connection).await
    }

    async fn start(
        log: &Log,
        projections: Vec<ProjectionInfo>,
        lease: Lease,
        connection: &mut PgConnection,
    ) -> Result<Self, RebuildError> {
        let mut known_skips = BTreeMap::new();
        for projection in &projections {
            known_skips.insert(projection.name, skips::known(connection, projection).await?);
        }
        let pool = log.pool().clone();
        Ok(Self {
            log: log.clone(),
            keeper: Keeper::start(pool.clone(), lease),
            pool,
            projections,
            threads: Threads::start()?,
            known_skips,
            readers_waited: Duration::ZERO,
        })
    }

    /// The projections.
    #[must_use]
    pub fn projections(&self) -> &[ProjectionInfo] {
        &self.projections
    }

    /// Fills the tables up to where the live ones stand, or to the head of the log where those are far
    /// behind, and builds the indexes. Ended half-way, it can be resumed from what was committed last.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn fill(&mut self, tell: &mut Tell<'_>) -> Result<Filled, RebuildError> {
        self.keeper.watch().during(self.fill_and_index(tell)).await
    }

    async fn fill_and_index(&mut self, tell: &mut Tell<'_>) -> Result<Filled, RebuildError> {
        let began = Instant::now();
        let events = self.catch_up(tell).await?;
        let (pool, lease) = (self.pool.clone(), self.keeper.lease.clone());
        let tables = tables(&self.projections);
        self.in_background(tell, move |told| async move { index(pool, lease, tables, told).await })
            .await?;
        // What has come while the indexes were built.
        let events = events + self.catch_up(tell).await?;
        Ok(Filled { events, elapsed: began.elapsed() })
    }

    /// The rows in which the live tables differ from the rebuilt ones, at one position; of each table at
    /// most `limit` are told. `None` when the live ones do not come to where the rebuilt ones are.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn differences(
        &mut self,
        limit: i64,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Vec<Differences>>, RebuildError> {
        self.keeper.watch().during(self.compare(limit, tell)).await
    }

    async fn compare(
        &mut self,
        limit: i64,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Vec<Differences>>, RebuildError> {
        self.catch_up(tell).await?;
        let mut connection = session(&self.pool, "public").await?;
        let twins = self.twins(&mut connection).await?;
        let patience = Instant::now() + PATIENCE;
        loop {
            let live = live_positions(&mut connection, &twins).await?;
            if live.iter().zip(&twins).all(|(live, twin)| *live >= twin.position) {
                break;
            }
            let behind = live.iter().zip(&twins).map(|(live, twin)| twin.position.0 - live.0).max();
            if behind > Some(FAR_BEHIND) || Instant::now() > patience {
                return Ok(None);
            }
            sleep(PATIENCE / 100).await;
        }
        let pool = self.pool.clone();
        self.in_background(tell, move |told| async move {
            let mut connection = session(&pool, schema::NEXT).await?;
            let mut tell = to(told);
            differences(&mut connection, &pool, schema::NEXT, &twins, limit, &mut tell).await
        })
        .await
        .map(Some)
    }

    /// Gives the rebuild out of hand; it can be resumed at once.
    ///
    /// # Errors
    /// When the database does not answer; then it can be resumed in a moment.
    pub async fn leave(self) -> Result<(), RebuildError> {
        Ok(self.keeper.leave().await?)
    }

    /// Fills until there is next to nothing left to do; returns how many events that were.
    pub(super) async fn catch_up(&mut self, tell: &mut Tell<'_>) -> Result<i64, RebuildError> {
        let mut events = 0;
        loop {
            let mut connection = session(&self.pool, "public").await?;
            let mut twins = self.twins(&mut connection).await?;
            let targets = self.targets(&mut connection, &twins).await?;
            let (pool, lease) = (self.pool.clone(), self.keeper.lease.clone());
            let filled = self.in_background(tell, move |told| async move {
                let mut tell = to(told);
                let mut connection = session(&pool, schema::NEXT).await?;
                let lease = Some(&lease);
                fill(&mut connection, &pool, &mut twins, &targets, lease, &mut tell).await
            });
            let filled = filled.await?;
            events += filled;
            if filled <= NEAR {
                return Ok(events);
            }
        }
    }

    /// The twins as they are, with those events settled that were skipped since this was last asked.
    pub(super) async fn twins(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<Vec<Twin>, RebuildError> {
        let found = in_progress(connection, &self.projections).await?;
        let mut twins = Vec::new();
        for (projection, checkpoint) in found {
            let mut twin = Twin::load(connection, projection, checkpoint.position).await?;
            let known = self.known_skips.entry(projection.name).or_default();
            if twin.skipped != *known {
                let mut connection = session(&self.pool, schema::NEXT).await?;
                skips::settle(&mut connection, &mut twin, known, &self.keeper.lease).await?;
                known.clone_from(&twin.skipped);
            }
            twins.push(twin);
        }
        if twins.len() < self.projections.len() {
            return Err(self.keeper.lease.loss(connection).await?.unwrap_or(RebuildError::Moved));
        }
        Ok(twins)
    }

    async fn targets(
        &self,
        connection: &mut PgConnection,
        twins: &[Twin],
    ) -> Result<Vec<Position>, RebuildError> {
        let head = event_store::head(connection).await?;
        let live = live_positions(connection, twins).await?;
        let target = |live: Position| if head.0 - live.0 > FAR_BEHIND { head } else { live };
        Ok(live.into_iter().map(target).collect())
    }

    async fn in_background<T: Send + 'static, F>(
        &self,
        tell: &mut Tell<'_>,
        work: impl FnOnce(mpsc::UnboundedSender<Progress>) -> F,
    ) -> Result<T, RebuildError>
    where
        F: Future<Output = Result<T, RebuildError>> + Send + 'static,
    {
        let (told, mut progress) = mpsc::unbounded_channel();
        let work = self.threads.run(work(told));
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(progress) = progress.recv() => tell(progress),
                outcome = &mut work => return outcome,
            }
        }
    }
}

/// The rebuilds in progress, of which projections and how far.
///
/// # Errors
/// When the database does not answer.
pub async fn rebuilding(
    pool: &PgPool,
) -> sqlx::Result<Vec<(ProjectionInfo, rebuilding::Checkpoint)>> {
    in_progress(&mut *pool.acquire().await?, &PROJECTIONS).await
}

fn in_the_way((projection, checkpoint): (ProjectionInfo, rebuilding::Checkpoint)) -> RebuildError {
    let (projection, position) = (projection.name, checkpoint.position);
    match checkpoint.owner.filter(|_| checkpoint.is_held) {
        Some(by) => RebuildError::InProgress { projection, position, by },
        None => RebuildError::LeftHalfway { projection, position },
    }
}

/// Tells progress to whoever waits on another thread, if somebody does.
fn to(told: mpsc::UnboundedSender<Progress>) -> impl FnMut(Progress) + Send {
    move |progress| {
        let _ = told.send(progress);
    }
}

/// Builds the indexes. While it has a table, nobody who cancelled the rebuild can have made it anew.
async fn index(
    pool: PgPool,
    lease: Lease,
    tables: Vec<&'static str>,
    told: mpsc::UnboundedSender<Progress>,
) -> Result<(), RebuildError> {
    let mut connection = session(&pool, schema::NEXT).await?;
    for table in tables {
        let _ = told.send(Progress::Indexing { table });
        let mut transaction = connection.begin().await?;
        schema::lock_next(&mut transaction, table).await?;
        if let Some(loss) = lease.loss(&mut transaction).await? {
            return Err(loss);
        }
        schema::index(&mut transaction, schema::NEXT, table).await?;
        transaction.commit().await?;
    }
    Ok(())
}
