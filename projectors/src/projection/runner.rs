//! Keeps the live read models: each batch is read and decoded once, for all projections, and their
//! rows and checkpoints are written in one transaction.

use std::sync::Arc;

use ::metrics::gauge;
use event_store::{Log, Position};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::{Known, PROJECTIONS, Projection, ProjectionInfo, all, feed};
use crate::decoded::{Decoded, decode_all};
use crate::metrics::{PROJECTION_CHECKPOINT, PROJECTION_LAG};
use crate::status::PieceStatus;
use crate::subscription::{Step, Subscription, SubscriptionError, follow};

/// The schema of the live read models.
const LIVE: &str = "read_models";
/// The most events in one transaction: while it runs, readers wait for what is in it.
const BATCH: i64 = 2_000;

/// The projections of the live read models. Several replicas may run: one works, the others stand by.
pub struct Projectors {
    log: Log,
    status: PieceStatus,
}

impl Projectors {
    /// Nothing happens before [`run`](Self::run).
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self { log, status: PieceStatus::default() }
    }

    /// How they are doing.
    #[must_use]
    pub fn status(&self) -> PieceStatus {
        self.status.clone()
    }

    /// Keeps the read models until shutdown; a batch begun is finished first.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut runner = Runner {
            pool: self.log.pool().clone(),
            connection: None,
            projections: all(Known::Perhaps),
        };
        follow("projectors", &mut runner, &self.log, &self.status, &shutdown).await;
    }
}

struct Runner {
    pool: PgPool,
    connection: Option<PgConnection>,
    projections: Vec<Box<dyn Projection>>,
}

impl Subscription for Runner {
    async fn step(&mut self) -> Result<Step, SubscriptionError> {
        // Taken out, and put back only after a success: what failed or was dropped half-way leaves no
        // connection and no rows behind.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.pool, LIVE).await?,
        };
        self.projections.iter_mut().for_each(|projection| projection.forget());
        let step = batch(&mut self.projections, &mut connection).await?;
        self.connection = Some(connection);
        Ok(step)
    }
}

async fn batch(
    projections: &mut [Box<dyn Projection>],
    connection: &mut PgConnection,
) -> Result<Step, SubscriptionError> {
    let mut transaction = connection.begin().await?;
    let Some(done) = lock_checkpoints(&mut transaction).await? else {
        transaction.rollback().await?;
        observe(connection).await?;
        return Ok(Step::StandBy);
    };
    let from = done.iter().copied().min().unwrap_or_default();
    let recorded = event_store::read_after(&mut transaction, from, BATCH).await?;
    let is_full = i64::try_from(recorded.len()).is_ok_and(|read| read == BATCH);
    let (events, undecodable) = decode_all(recorded);
    let Some(last) = events.last().map(Decoded::position) else {
        // Not left to the transaction's drop, which would hold the checkpoints until the next step.
        transaction.rollback().await?;
        return undecodable.map_or(Ok(Step::Idle(from)), |undecodable| Err(undecodable.into()));
    };
    for (projection, done) in projections.iter_mut().zip(done) {
        feed(projection.as_mut(), &events, done, &mut transaction).await?;
        projection.write(&mut transaction).await?;
    }
    let written: Vec<_> =
        projections.iter().map(|projection| projection.info().checkpoint()).collect();
    event_store::advance(&mut transaction, &names(&written), last).await?;
    transaction.commit().await?;
    let head = if is_full { event_store::head(connection).await? } else { last };
    for projection in PROJECTIONS {
        tell(projection, last, head);
    }
    // An event that cannot be read is reported by the next step, which begins with it.
    Ok(if is_full || undecodable.is_some() {
        Step::WorkedWithMore(last)
    } else {
        Step::Worked(last)
    })
}

/// Takes all checkpoints or none. This is where leases would come in.
pub(crate) async fn lock_checkpoints(
    connection: &mut PgConnection,
) -> sqlx::Result<Option<Vec<Position>>> {
    let all = PROJECTIONS.map(|projection| projection.checkpoint());
    event_store::lock(connection, &names(&all)).await
}

fn names(checkpoints: &[String]) -> Vec<&str> {
    checkpoints.iter().map(String::as_str).collect()
}

/// A stand-by tells what it sees, so that a runner that hangs is noticed.
async fn observe(connection: &mut PgConnection) -> sqlx::Result<()> {
    let head = event_store::head(connection).await?;
    for projection in PROJECTIONS {
        let position = event_store::position_of(connection, &projection.checkpoint()).await?;
        tell(projection, position.unwrap_or_default(), head);
    }
    Ok(())
}

fn tell(projection: ProjectionInfo, position: Position, head: Position) {
    let lag = head.0.saturating_sub(position.0).max(0);
    gauge!(PROJECTION_CHECKPOINT, "projection" => projection.name).set(position.0 as f64);
    gauge!(PROJECTION_LAG, "projection" => projection.name).set(lag as f64);
}

/// A connection that fills a schema.
///
/// It does not wait for its commits to reach the disk: a crash loses the newest rows and their
/// checkpoint together, never apart, and the log, which is not affected, fills them again.
pub(crate) async fn connect(pool: &PgPool, schema: &str) -> sqlx::Result<PgConnection> {
    let options = PgConnectOptions::clone(&Arc::clone(&pool.connect_options()));
    let search_path = format!("{schema},public");
    let options =
        options.options([("search_path", search_path.as_str()), ("synchronous_commit", "off")]);
    PgConnection::connect_with(&options).await
}
