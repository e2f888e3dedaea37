//! The leases of a rebuild: whoever has them works on it, and nobody else.
//!
//! They are lengthened on a thread of its own priority, while rows are written on threads of the lowest.

use std::time::Duration;

use event_store::lease::Replica;
use event_store::rebuilding::{self, Checkpoint};
use event_store::{Epoch, Position, lease};
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{RebuildError, session};
use crate::projection::ProjectionInfo;

/// Between two looks; several fit into the term of a lease.
const LOOK: Duration = Duration::from_millis(300);

/// What one presents with every write.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) owner: String,
    /// By the names of the checkpoints.
    pub(super) held: Vec<(String, Epoch)>,
}

impl Lease {
    pub(super) fn epoch_of(&self, name: &str) -> Option<Epoch> {
        self.held.iter().find(|(held, _)| held == name).map(|(_, epoch)| *epoch)
    }

    /// Moves checkpoints; to be the first statement of the transaction that writes their rows.
    pub(super) async fn advance(
        &self,
        transaction: &mut PgConnection,
        names: Vec<String>,
        from: Position,
        to: Position,
    ) -> Result<(), RebuildError> {
        let held: Vec<_> =
            names.iter().filter_map(|name| Some((name.as_str(), self.epoch_of(name)?))).collect();
        if held.len() == names.len() && event_store::advance(transaction, &held, from, to).await? {
            return Ok(());
        }
        Err(self.loss(transaction).await?.unwrap_or(RebuildError::Moved))
    }

    /// To be the last statement of a transaction that took its time.
    pub(super) async fn lengthen(&self, connection: &mut PgConnection) -> Result<(), RebuildError> {
        Ok(rebuilding::lengthen(connection, &self.held).await?)
    }

    /// Whether one of the leases is another's by now, and whose.
    pub(super) async fn loss(
        &self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Option<RebuildError>> {
        let checkpoints = rebuilding::checkpoints(connection).await?;
        Ok(self.held.iter().find_map(|(name, epoch)| {
            let projection = projection_of(name).to_owned();
            match checkpoints.iter().find(|checkpoint| checkpoint.name == *name) {
                None => Some(RebuildError::Cancelled { projection }),
                Some(checkpoint) if checkpoint.epoch != *epoch => {
                    let by = checkpoint.owner.clone().unwrap_or_else(|| "an operator".to_owned());
                    Some(RebuildError::TakenOver { projection, by })
                }
                Some(_) => None,
            }
        }))
    }
}

/// What the checkpoint of a rebuild is about.
pub(super) fn projection_of(checkpoint: &str) -> &str {
    checkpoint.strip_prefix("rebuild.").unwrap_or(checkpoint)
}

/// Keeps leases until it is dropped.
pub(super) struct Keeper {
    watch: Watch,
    pub(super) lease: Lease,
    _task: JoinSet<()>,
}

/// Notices when a lease is lost.
#[derive(Clone)]
pub(super) struct Watch {
    pool: PgPool,
    lease: Lease,
    lost: CancellationToken,
}

impl Keeper {
    pub(super) fn start(pool: PgPool, lease: Lease) -> Self {
        let lost = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(keep(pool.clone(), lease.clone(), lost.clone()));
        Self { watch: Watch { pool, lease: lease.clone(), lost }, lease, _task: task }
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Gives the leases back, so that whoever goes on need not wait until they end.
    pub(super) async fn leave(self) -> sqlx::Result<()> {
        let names: Vec<_> = self.lease.held.iter().map(|(name, _)| name.clone()).collect();
        let mut connection = self.watch.pool.acquire().await?;
        lease::give_back(&mut connection, &self.lease.owner, &names).await
    }
}

impl Watch {
    /// Does what takes time; it is dropped half-way when a lease is lost.
    pub(super) async fn during<T>(
        &self,
        work: impl Future<Output = Result<T, RebuildError>>,
    ) -> Result<T, RebuildError> {
        let outcome = self.lost.run_until_cancelled(work).await;
        if let Some(Ok(done)) = outcome {
            return Ok(done);
        }
        // Without its tables, a rebuild that was cancelled fails in many ways.
        let mut connection = self.pool.acquire().await?;
        match (self.lease.loss(&mut connection).await?, outcome) {
            (Some(loss), _) => Err(loss),
            (None, Some(failed)) => failed,
            (None, None) => Err(RebuildError::Moved),
        }
    }
}

async fn keep(pool: PgPool, lease: Lease, lost: CancellationToken) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        looks.tick().await;
        let look = timeout(lease::TERM, look(&pool, &lease, connection.take()));
        // Otherwise a lease may end meanwhile. It is lost only when somebody takes it.
        if let Ok(Ok((used, is_lost))) = look.await {
            connection = Some(used);
            if is_lost {
                lost.cancel();
                return;
            }
        }
    }
}

async fn look(
    pool: &PgPool,
    lease: &Lease,
    connection: Option<PgConnection>,
) -> sqlx::Result<(PgConnection, bool)> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => session(pool, "public").await?,
    };
    rebuilding::lengthen(&mut connection, &lease.held).await?;
    let is_lost = lease.loss(&mut connection).await?.is_some();
    Ok((connection, is_lost))
}

/// The checkpoint of a projection's rebuild, if one is in progress.
pub(super) async fn in_progress(
    connection: &mut PgConnection,
    projections: &[ProjectionInfo],
) -> sqlx::Result<Vec<(ProjectionInfo, Checkpoint)>> {
    Ok(rebuilds_among(&rebuilding::checkpoints(connection).await?, projections))
}

/// The same, of all checkpoints as they were seen at one moment.
pub(super) fn rebuilds_among(
    checkpoints: &[Checkpoint],
    projections: &[ProjectionInfo],
) -> Vec<(ProjectionInfo, Checkpoint)> {
    let of = |projection: &ProjectionInfo| {
        let name = rebuilding::checkpoint(projection.name);
        let found = checkpoints.iter().find(|checkpoint| checkpoint.name == name)?;
        Some((*projection, found.clone()))
    };
    projections.iter().filter_map(of).collect()
}

/// Takes over a rebuild whose lease has ended; waits for one that has not, if nobody lengthens it. `None`
/// when somebody does.
pub(super) async fn take_over(
    connection: &mut PgConnection,
    owner: &str,
    name: &str,
) -> sqlx::Result<Option<Epoch>> {
    let replica = Replica { name: owner.to_owned(), kind: "rebuild" };
    let patience = Instant::now() + lease::TERM + LOOK;
    loop {
        let checkpoints = rebuilding::checkpoints(connection).await?;
        let Some(seen) = checkpoints.iter().find(|it| it.name == name) else { return Ok(None) };
        let taken = lease::take(connection, &replica, name, seen.epoch).await?;
        if taken.is_some() || Instant::now() > patience {
            return Ok(taken);
        }
        sleep(LOOK / 3).await;
    }
}
