//! Keeps the live read models: those projections whose lease this replica holds. Projections that stand
//! at the same position share one read, one decode, and one transaction for rows and checkpoints.

use crash_points::Point;
use event_store::{Log, Position, RecordedEvent, parking};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::held::{Held, alone};
use super::{Known, PROJECTIONS, all, fold};
use crate::decoded::{decode_all, recorded};
use crate::lease::{Keeper, Lease, Shared};
use crate::poison;
use crate::rebuild::rebuild_outdated;
use crate::session::connect;
use crate::status::PieceStatus;
use crate::subscription::{Step, Subscription, SubscriptionError, follow};
use crate::trace;

/// The schema of the live read models.
const LIVE: &str = "read_models";
/// The most events in one transaction: while it runs, readers wait for what is in it.
const BATCH: i64 = 2_000;

/// The projections of the live read models. Several replicas may run: they share them.
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

    /// Keeps the read models until shutdown; a batch begun is finished first, and leases are given back.
    pub async fn run(self, shutdown: CancellationToken) {
        let pool = self.log.pool().clone();
        let shared = PROJECTIONS.map(|projection| Shared {
            name: projection.checkpoint(),
            label: projection.name,
            version: projection.version,
        });
        let keeper = Keeper::start(pool.clone(), "projections", shared.to_vec());
        let projections = all(Known::Perhaps).into_iter().map(Held::new).collect();
        let mut outdated = JoinSet::new();
        let seen = keeper.grants.clone();
        outdated.spawn(rebuild_outdated(self.log.clone(), seen, shutdown.clone()));
        let mut runner = Runner { pool, connection: None, keeper, projections, turn: 0 };
        follow("projections", &mut runner, &self.log, &self.status, &shutdown).await;
        runner.keeper.leave().await;
        while outdated.join_next().await.is_some() {}
    }
}

struct Runner {
    pool: PgPool,
    connection: Option<PgConnection>,
    keeper: Keeper,
    projections: Vec<Held>,
    /// Whose turn it is among projections that stand at different positions.
    turn: usize,
}

impl Subscription for Runner {
    async fn step(&mut self) -> Result<Step, SubscriptionError> {
        // Taken out, and put back only after a success: what failed or was dropped half-way leaves no
        // connection and no rows behind.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.pool, LIVE).await?,
        };
        self.projections.iter_mut().for_each(|held| held.projection.forget());
        self.look_at_leases(&mut connection).await?;
        let step = match self.next_group() {
            Some(group) => self.work(group, &mut connection).await,
            None => Ok(Step::StandBy),
        };
        match step {
            Ok(step) => {
                self.connection = Some(connection);
                Ok(step)
            }
            Err(error) => {
                // What is in the database decides, not what was believed when this failed.
                self.projections.iter_mut().for_each(|held| held.lease = None);
                Err(error)
            }
        }
    }
}

/// Projections that stand at the same position, by their places, and where they have to stop: where
/// others stand, to go on together with them.
struct Group {
    places: Vec<usize>,
    from: Position,
    limit: i64,
}

impl Runner {
    /// Forgets leases that were lost or changed, and looks up those that are new.
    async fn look_at_leases(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let granted = self.keeper.grants.borrow_and_update().held.clone();
        for held in &mut self.projections {
            let epoch = granted.get(&held.name);
            // The database may have told of a newer epoch than the keeper has.
            let is_held = held.lease.as_ref().is_some_and(|lease| Some(&lease.epoch) >= epoch);
            if epoch.is_none() || !is_held {
                held.lease = None;
            }
            if epoch.is_some() && held.lease.is_none() {
                let replica = &self.keeper.replica.name;
                held.lease = Lease::look_up(connection, &held.name, replica).await?;
                held.careful_until = Position(0);
            }
        }
        Ok(())
    }

    /// Of several groups each has its turn, so that one that has far to go does not hold up the others.
    fn next_group(&mut self) -> Option<Group> {
        let standing =
            |held: &Held| held.lease.as_ref().map(|lease| (lease.done, held.is_special()));
        let mut groups: Vec<_> = self.projections.iter().filter_map(standing).collect();
        groups.sort_unstable();
        groups.dedup();
        self.turn += 1;
        let (from, is_special) = *groups.get(self.turn % groups.len().max(1))?;
        let mut places: Vec<_> = (0..self.projections.len())
            .filter(|place| standing(&self.projections[*place]) == Some((from, is_special)))
            .collect();
        if is_special {
            places.truncate(1);
        }
        let next = groups.iter().map(|(done, _)| *done).filter(|done| *done > from).min();
        let limit = next.map_or(BATCH, |next| BATCH.min(next.0 - from.0));
        Some(Group { places, from, limit })
    }

    async fn work(
        &mut self,
        group: Group,
        connection: &mut PgConnection,
    ) -> Result<Step, SubscriptionError> {
        let special = group.places.first().map(|place| &mut self.projections[*place]);
        if let Some(held) = special.filter(|held| held.is_special()) {
            return alone(held, group.limit, connection).await;
        }
        let step = self.batch(&group, connection).await?;
        let is_even = self
            .projections
            .iter()
            .flat_map(|held| &held.lease)
            .all(|lease| matches!(step, Step::Idle(at) | Step::Worked(at) if at == lease.done));
        Ok(match step {
            Step::Idle(at) | Step::Worked(at) if !is_even => Step::WorkedWithMore(at),
            step => step,
        })
    }

    async fn batch(
        &mut self,
        group: &Group,
        connection: &mut PgConnection,
    ) -> Result<Step, SubscriptionError> {
        // Outside the transaction, which is to be short: nothing of this is locked, and if another has
        // taken over meanwhile, nothing of it is written.
        let events =
            decode_all(event_store::read_after(connection, group.from, group.limit).await?);
        let Some(last) = events.last().map(|read| recorded(read).position) else {
            return Ok(Step::Idle(group.from));
        };
        let mut to_park = Vec::new();
        for place in &group.places {
            let Held { projection, lease: Some(lease), .. } = &mut self.projections[*place] else {
                continue;
            };
            to_park.push(fold(projection.as_mut(), &events, &lease.parked, connection).await?);
        }
        let mut transaction = connection.begin().await?;
        let epochs: Vec<_> =
            group.places.iter().filter_map(|place| self.projections[*place].epoch()).collect();
        if !event_store::advance(&mut transaction, &epochs, group.from, last).await? {
            transaction.rollback().await?;
            group.places.iter().for_each(|place| self.projections[*place].lease = None);
            return Ok(Step::StandBy);
        }
        for (place, to_park) in group.places.iter().zip(&to_park) {
            let held = &mut self.projections[*place];
            match held.projection.write(&mut transaction).await {
                Ok(()) => parking::park(&mut transaction, &held.name, to_park).await?,
                Err(error) if poison::is_about_data(&error) => {
                    transaction.rollback().await?;
                    tracing::warn!(
                        projection = held.projection.info().name,
                        error = poison::in_words(&error),
                        "rows were refused; the batch is done again, stream by stream"
                    );
                    held.careful_until = last;
                    return Ok(Step::WorkedWithMore(group.from));
                }
                Err(error) => return Err(error.into()),
            }
        }
        crash_points::reach(Point::BatchBeforeCommit);
        transaction.commit().await?;
        crash_points::reach(Point::BatchAfterCommit);
        let is_projected = |event: &&RecordedEvent| {
            let of = |place: &usize| &self.projections[*place];
            group.places.iter().map(of).zip(&to_park).any(|(held, parked)| {
                held.projection.info().reads(&event.aggregate_type)
                    && !parked.iter().any(|it| it.position == event.position)
            })
        };
        trace::became("projected", events.iter().map(recorded).filter(is_projected));
        for (place, to_park) in group.places.iter().zip(to_park) {
            self.projections[*place].moved(last, to_park);
        }
        let is_full = last.0 - group.from.0 == group.limit;
        Ok(if is_full { Step::WorkedWithMore(last) } else { Step::Worked(last) })
    }
}
