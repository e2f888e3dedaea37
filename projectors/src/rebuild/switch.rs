//! The switch: rebuilt tables take the place of the live ones, in one transaction.
//!
//! Nothing writes live rows from when their lease is seized until it is given back. In that time the rebuilt
//! ones are brought to exactly where the live ones are, and committed; then we wait until nobody reads from
//! a snapshot that is older than that, for in a table that takes another's place such a reader would see
//! only what had been committed before. Only then readers are locked out, for as long as it takes to move
//! the tables from one schema to another.

use std::time::Duration;

use crash_points::Point;
use event_store::lease::{give_back, seize};
use event_store::rebuilding::{self, Replacement};
use event_store::{Held, Position};
use sqlx::{Connection, Executor, PgConnection, Postgres, Transaction};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::fill::fill;
use super::finish::{Note, SwitchedBy, finish};
use super::job::Rebuild;
use super::readers::{evict_vacuum, oldest, snapshots};
use super::twin::{Twin, tables};
use super::{Progress, RebuildError, Tell, schema, session};
use crate::projection::ProjectionInfo;

/// How long live rows may stand still for one attempt.
const ATTEMPT: Duration = Duration::from_secs(1);
/// The term of the lease on them: more than an attempt, so that it lasts, and less than anybody minds, should
/// this process die.
const TERM: Duration = Duration::from_secs(2);
/// For how long new readers may have to wait behind old ones, for nothing; that is for all tables together.
const LOCK_TIMEOUT: &str = "50ms";
/// For how long a process that is stopped in the middle of the one transaction keeps readers out, before the
/// database ends it.
const STOPPED_TIMEOUT: &str = "1s";
/// Between two tries to lock the tables.
const BREATH: Duration = Duration::from_millis(20);
/// Between two attempts, and between two looks at who is in the way.
const PAUSE: Duration = Duration::from_millis(500);
/// More events than this are not caught up with while live rows stand still.
const MOST: i64 = 20_000;

/// What a switch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// What is shown now, by projection.
    pub positions: Vec<(&'static str, Position)>,
    /// The longest that a reader can have waited for it at a time, tries that came to nothing included.
    pub readers_waited: Duration,
    /// For how long live rows stood still.
    pub live_waited: Duration,
}

/// What was seized, for how long.
struct Attempt<'a> {
    by: &'a SwitchedBy,
    /// By projection.
    seized: Vec<Held>,
    /// By which versions of their rules the live rows were made, as far as that was noted.
    versions: Vec<Option<i32>>,
    /// Then live rows are let move on. What is under way is not dropped then: it may be done already.
    until: Instant,
}

impl Attempt<'_> {
    fn is_over(&self) -> bool {
        Instant::now() > self.until
    }
}

/// What one try to lock the tables came to.
enum Try {
    Switched,
    /// Somebody has a lock.
    Busy,
    /// What was seized is not ours any more, or somebody decided to leave an event out.
    Again,
}

impl Rebuild {
    /// Shows the rebuilt rows instead of the live ones. Waits for whoever has been reading the live tables
    /// for long; says so, and goes on filling meanwhile.
    ///
    /// # Errors
    /// See [`RebuildError`]; with [`RebuildError::Unrecorded`] it is done.
    pub async fn switch(
        mut self,
        by: &SwitchedBy,
        tell: &mut Tell<'_>,
    ) -> Result<Switched, RebuildError> {
        finish(&self.log, &self.projections).await?;
        let mut connection = session(&self.pool, "public").await?;
        loop {
            let watch = self.keeper.watch();
            if !watch.during(self.is_way_clear(&mut connection, tell)).await? {
                continue;
            }
            if let Some(switched) = self.attempt(by, &mut connection).await? {
                finish(&self.log, &self.projections).await?;
                return Ok(switched);
            }
            watch.during(pause()).await?;
        }
    }

    /// Fills on, and looks whether somebody is in the way; if so, says it and waits for a moment.
    async fn is_way_clear(
        &mut self,
        connection: &mut PgConnection,
        tell: &mut Tell<'_>,
    ) -> Result<bool, RebuildError> {
        self.catch_up(tell).await?;
        let tables = tables(&self.projections);
        let mut reader = oldest(connection, &tables).await?;
        // Not while somebody else is waited for: autovacuum would not get to work for so long.
        if reader.is_none_or(|it| it.is_autovacuum) {
            evict_vacuum(connection, &tables).await?;
            reader = oldest(connection, &tables).await?;
        }
        let Some(reader) = reader else { return Ok(true) };
        tell(Progress::Waiting { pid: reader.pid, seconds: reader.seconds as i64 });
        pause().await?;
        Ok(false)
    }

    /// `None` when there were too many readers, or too much to catch up with.
    async fn attempt(
        &mut self,
        by: &SwitchedBy,
        connection: &mut PgConnection,
    ) -> Result<Option<Switched>, RebuildError> {
        let owner = self.keeper.lease.owner.clone();
        let names: Vec<_> = self.projections.iter().map(ProjectionInfo::checkpoint).collect();
        let versions = versions(connection, &names).await?;
        let began = Instant::now();
        let mut seized = Vec::new();
        for name in &names {
            rebuilding::ensure(connection, name).await?;
            let held = seize(connection, &owner, name, TERM).await?;
            seized.push(held.ok_or(RebuildError::Moved)?);
        }
        let attempt = Attempt { by, seized, versions, until: began + ATTEMPT };
        let outcome = self.while_it_stands_still(&attempt, connection).await;
        if let Ok(Some(positions)) = outcome {
            let (readers_waited, live_waited) = (self.readers_waited, began.elapsed());
            return Ok(Some(Switched { positions, readers_waited, live_waited }));
        }
        // After a failure that connection is in an unknown state.
        *connection = session(&self.pool, "public").await?;
        give_back(connection, &owner, &names).await?;
        outcome.map(|_| None)
    }

    async fn while_it_stands_still(
        &mut self,
        attempt: &Attempt<'_>,
        connection: &mut PgConnection,
    ) -> Result<Option<Vec<(&'static str, Position)>>, RebuildError> {
        let mut twins = self.twins(connection).await?;
        let targets: Vec<_> = attempt.seized.iter().map(|held| held.position).collect();
        if twins.iter().zip(&targets).any(|(twin, target)| target.0 - twin.position.0 > MOST) {
            return Ok(None);
        }
        let mut filler = session(&self.pool, schema::NEXT).await?;
        let lease = self.keeper.lease.clone();
        fill(&mut filler, &self.pool, &mut twins, &targets, Some(&lease), &mut |_| ()).await?;
        let old = snapshots(connection, None).await?;
        while !snapshots(connection, Some(&old)).await?.is_empty() {
            if attempt.is_over() {
                return Ok(None);
            }
            sleep(Duration::from_millis(2)).await;
        }
        while !attempt.is_over() {
            match self.try_once(attempt, &twins, connection).await? {
                Try::Switched => {
                    let shown = twins.iter().map(|twin| (twin.projection.name, twin.position));
                    return Ok(Some(shown.collect()));
                }
                Try::Busy => sleep(BREATH).await,
                Try::Again => break,
            }
        }
        Ok(None)
    }

    async fn try_once(
        &mut self,
        attempt: &Attempt<'_>,
        twins: &[Twin],
        connection: &mut PgConnection,
    ) -> Result<Try, RebuildError> {
        match self.exchange(attempt, twins, connection).await {
            Err(RebuildError::Database(error)) if is_timeout(&error) => Ok(Try::Busy),
            outcome => outcome,
        }
    }

    /// The one transaction.
    async fn exchange(
        &mut self,
        attempt: &Attempt<'_>,
        twins: &[Twin],
        connection: &mut PgConnection,
    ) -> Result<Try, RebuildError> {
        let mut transaction = connection.begin().await?;
        // What the log is told of must not be lost in a crash.
        let settings = format!(
            "SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
             SET LOCAL idle_in_transaction_session_timeout = '{STOPPED_TIMEOUT}'"
        );
        transaction.execute(settings.as_str()).await?;
        let replacements = self.replacements(&attempt.seized, twins)?;
        if !rebuilding::replace(&mut transaction, &replacements).await? {
            transaction.rollback().await?;
            let loss = self.keeper.lease.loss(connection).await?;
            return loss.map_or(Ok(Try::Again), Err);
        }
        for twin in twins {
            let name = twin.projection.checkpoint();
            if event_store::skipped_positions(&mut transaction, &name).await? != twin.skipped {
                transaction.rollback().await?;
                return Ok(Try::Again);
            }
        }
        let notes = notes(attempt.by, &attempt.versions, twins)?;
        schema::create_schema(&mut transaction, schema::OLD).await?;
        let began = Instant::now();
        let moved = self.move_tables(transaction, &notes).await;
        self.readers_waited = self.readers_waited.max(began.elapsed());
        moved?;
        crash_points::reach(Point::SwitchAfterCommit);
        Ok(Try::Switched)
    }

    /// What readers wait for.
    async fn move_tables(
        &self,
        mut transaction: Transaction<'_, Postgres>,
        notes: &[(&'static str, String)],
    ) -> sqlx::Result<()> {
        let tables = tables(&self.projections);
        schema::lock_live_within(&mut transaction, &tables, LOCK_TIMEOUT).await?;
        schema::exchange(&mut transaction, notes).await?;
        crash_points::reach(Point::SwitchBeforeCommit);
        transaction.commit().await
    }

    fn replacements(
        &self,
        seized: &[Held],
        twins: &[Twin],
    ) -> Result<Vec<Replacement>, RebuildError> {
        let lease = &self.keeper.lease;
        let replacement = |(twin, held): (&Twin, &Held)| {
            let rebuild = twin.rebuild_checkpoint();
            Some(Replacement {
                rebuild_epoch: lease.epoch_of(&rebuild)?,
                rebuild,
                shown: twin.projection.checkpoint(),
                shown_epoch: held.epoch,
                position: twin.position,
                version: twin.projection.version,
            })
        };
        let all = twins.iter().zip(seized).map(replacement).collect::<Option<_>>();
        all.ok_or(RebuildError::Moved)
    }
}

async fn pause() -> Result<(), RebuildError> {
    sleep(PAUSE).await;
    Ok(())
}

/// Whether a lock, or all of them, were not to be had in time.
fn is_timeout(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    crate::lease::is_lock_timeout(error) || code.as_deref() == Some("57014")
}

/// By which versions of their rules the live rows were made, as far as that was noted.
async fn versions(
    connection: &mut PgConnection,
    names: &[String],
) -> sqlx::Result<Vec<Option<i32>>> {
    let checkpoints = rebuilding::checkpoints(connection).await?;
    let of = |name: &String| checkpoints.iter().find(|it| it.name == *name)?.version;
    Ok(names.iter().map(of).collect())
}

/// A note for each table that is replaced.
fn notes(
    by: &SwitchedBy,
    versions: &[Option<i32>],
    twins: &[Twin],
) -> Result<Vec<(&'static str, String)>, RebuildError> {
    let correlation_id = Uuid::now_v7();
    let mut notes = Vec::new();
    for (twin, from_version) in twins.iter().zip(versions) {
        let note = Note {
            from_version: from_version.and_then(|version| u32::try_from(version).ok()),
            version: u32::try_from(twin.projection.version).unwrap_or_default(),
            position: twin.position.0,
            actor_kind: by.actor.kind,
            actor_id: by.actor.id.clone(),
            reason: by.reason.clone(),
            correlation_id,
        };
        let note = serde_json::to_string(&note).map_err(RebuildError::Note)?;
        notes.extend(twin.projection.tables.iter().map(|table| (*table, note.clone())));
    }
    Ok(notes)
}
