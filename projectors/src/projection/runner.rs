//! Keeps the live read models: those projections whose lease this replica holds. Projections that stand
//! at the same position share one read, one decode, and one transaction for rows and checkpoints.

use std::collections::HashSet;

use ::metrics::counter;
use crash_points::Point;
use event_store::parking::{self, Stream, ToPark};
use event_store::{Epoch, Log, Position};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Known, PROJECTIONS, Projection, all, apply_carefully, fold};
use crate::decoded::{Read, decode_all, recorded};
use crate::lease::{Keeper, Shared};
use crate::metrics::PROJECTION_PROCESSED;
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
/// The most where each stream is written alone.
const CAREFUL_BATCH: i64 = 200;
/// The most parked events tried again in one transaction.
const RETRIED: i64 = 500;

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

/// A projection, and its lease if this replica holds it.
struct Held {
    projection: Box<dyn Projection>,
    name: String,
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Lease {
    epoch: Epoch,
    done: Position,
    /// The streams whose events are parked.
    parked: HashSet<Stream>,
    /// Those of which somebody wants them tried again.
    to_retry: Vec<Stream>,
    /// Up to here each stream is written alone, to find out which one the database refuses.
    careful_until: Position,
}

impl Held {
    fn new(projection: Box<dyn Projection>) -> Self {
        Self { name: projection.info().checkpoint(), projection, lease: None }
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
                held.lease = look_up(connection, &held.name, &self.keeper.replica.name).await?;
            }
        }
        Ok(())
    }

    /// Of several groups each has its turn, so that one that has far to go does not hold up the others.
    fn next_group(&mut self) -> Option<Group> {
        let standing =
            |held: &Held| held.lease.as_ref().map(|lease| (lease.done, lease.is_special()));
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
                    held.be_careful_until(last);
                    return Ok(Step::WorkedWithMore(group.from));
                }
                Err(error) => return Err(error.into()),
            }
        }
        crash_points::reach(Point::BatchBeforeCommit);
        transaction.commit().await?;
        crash_points::reach(Point::BatchAfterCommit);
        trace::became("projected", events.iter().map(recorded));
        for (place, to_park) in group.places.iter().zip(to_park) {
            self.projections[*place].moved(last, to_park);
        }
        let is_full = last.0 - group.from.0 == group.limit;
        Ok(if is_full { Step::WorkedWithMore(last) } else { Step::Worked(last) })
    }
}

async fn look_up(
    connection: &mut PgConnection,
    name: &str,
    replica: &str,
) -> sqlx::Result<Option<Lease>> {
    let Some(held) = event_store::held(connection, name, replica).await? else { return Ok(None) };
    Ok(Some(Lease {
        epoch: held.epoch,
        done: held.position,
        parked: parking::parked_streams(connection, name).await?,
        to_retry: parking::streams_to_retry(connection, name).await?,
        careful_until: Position(0),
    }))
}

impl Lease {
    /// Whether it has something to do that others that stand where it stands do not have to do.
    fn is_special(&self) -> bool {
        self.careful_until > self.done || !self.to_retry.is_empty()
    }
}

impl Held {
    fn is_special(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::is_special)
    }

    fn epoch(&self) -> Option<(&str, Epoch)> {
        self.lease.as_ref().map(|lease| (self.name.as_str(), lease.epoch))
    }

    fn be_careful_until(&mut self, position: Position) {
        if let Some(lease) = &mut self.lease {
            lease.careful_until = position;
        }
    }

    /// The transaction that moved the checkpoint is committed.
    fn moved(&mut self, to: Position, parked: Vec<ToPark>) {
        let label = self.projection.info().name;
        if let Some(lease) = &mut self.lease {
            let events = u64::try_from(to.0 - lease.done.0).unwrap_or_default();
            counter!(PROJECTION_PROCESSED, "projection" => label).increment(events);
            lease.done = to;
            for event in parked {
                if let Some(error) = &event.error {
                    let (position, entity) = (event.position.0, &event.stream);
                    tracing::error!(projection = label, position, ?entity, error, "event parked");
                }
                lease.parked.insert(event.stream);
            }
        }
    }
}

/// What one projection has to do without the others: parked events again, or a batch stream by stream.
async fn alone(
    held: &mut Held,
    limit: i64,
    connection: &mut PgConnection,
) -> Result<Step, SubscriptionError> {
    let Held { projection, name, lease: Some(lease) } = held else { return Ok(Step::StandBy) };
    let (epoch, from) = (lease.epoch, lease.done);
    if let Some(stream) = lease.to_retry.first().cloned() {
        let mut transaction = connection.begin().await?;
        let is_mine = event_store::advance(&mut transaction, &[(name, epoch)], from, from).await?;
        if is_mine && retry(projection.as_mut(), name, &stream, &mut transaction).await? {
            lease.to_retry.retain(|other| *other != stream);
        }
        transaction.commit().await?;
        if lease.to_retry.is_empty() || !is_mine {
            // Which streams are parked now is best asked of the database.
            held.lease = None;
        }
        return Ok(Step::WorkedWithMore(from));
    }
    let limit = CAREFUL_BATCH.min(limit).min(lease.careful_until.0 - from.0);
    let events: Vec<Read> = decode_all(event_store::read_after(connection, from, limit).await?);
    let Some(last) = events.last().map(|read| recorded(read).position) else {
        return Ok(Step::Idle(from));
    };
    let mut transaction = connection.begin().await?;
    if !event_store::advance(&mut transaction, &[(name, epoch)], from, last).await? {
        transaction.rollback().await?;
        held.lease = None;
        return Ok(Step::StandBy);
    }
    let to_park =
        apply_carefully(projection.as_mut(), &events, &lease.parked, &mut transaction).await?;
    parking::park(&mut transaction, name, &to_park).await?;
    transaction.commit().await?;
    held.moved(last, to_park);
    Ok(Step::WorkedWithMore(last))
}

/// Tries the first parked events of a stream again, in order, up to the first that fails again. Whether
/// that is all that can be done for the stream now.
async fn retry(
    projection: &mut dyn Projection,
    name: &str,
    stream: &Stream,
    connection: &mut PgConnection,
) -> Result<bool, SubscriptionError> {
    let parked = parking::parked_events(connection, name, stream, RETRIED).await?;
    let is_all = i64::try_from(parked.len()).is_ok_and(|count| count < RETRIED);
    let events = decode_all(parked);
    let failed = apply_carefully(projection, &events, &HashSet::new(), connection).await?;
    let waiting: HashSet<_> = failed.iter().map(|event| event.position).collect();
    let positions = events.iter().map(|read| recorded(read).position);
    let done: Vec<_> = positions.filter(|position| !waiting.contains(position)).collect();
    parking::unpark(connection, name, &done).await?;
    if let Some(ToPark { position, error: Some(error), .. }) = failed.first() {
        parking::failed_again(connection, name, stream, *position, error).await?;
        return Ok(true);
    }
    Ok(is_all)
}
