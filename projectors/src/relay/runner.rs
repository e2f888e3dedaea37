//! The relay's place in the log: under a lease, with what cannot be told put aside.

use std::collections::HashSet;

use ::metrics::gauge;
use crash_points::Point;
use event_store::Position;
use event_store::parking::{self, Stream, ToPark};
use sqlx::{Connection, PgConnection, PgPool};

use super::CHECKPOINT;
use super::publish::Outbox;
use crate::decoded::{Decoded, Read, decode_all, recorded};
use crate::lease::{Keeper, Lease};
use crate::metrics::RELAY_CHECKPOINT;
use crate::session::connect;
use crate::subscription::{Step, Subscription, SubscriptionError};
use crate::trace;

/// The most events in one batch. An event is up to two messages, and the publisher has a thousand in flight.
const BATCH: i64 = 500;

pub(super) struct Runner {
    pool: PgPool,
    connection: Option<PgConnection>,
    keeper: Keeper,
    outbox: Outbox,
    lease: Option<Lease>,
}

impl Runner {
    pub(super) fn new(pool: PgPool, keeper: Keeper, outbox: Outbox) -> Self {
        Self { pool, connection: None, keeper, outbox, lease: None }
    }

    pub(super) async fn leave(self) {
        self.keeper.leave().await;
        self.outbox.close().await;
    }
}

impl Subscription for Runner {
    async fn step(&mut self) -> Result<Step, SubscriptionError> {
        // A replica cut off from the broker leaves the work to one that is not.
        let connected = self.outbox.connect().await;
        self.keeper.set_able(connected.is_ok());
        connected?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.pool, "public").await?,
        };
        let lease = self.look_at_lease(&mut connection).await?;
        let step = match lease {
            Some(lease) => self.work(lease, &mut connection).await?,
            None => Step::StandBy,
        };
        self.connection = Some(connection);
        Ok(step)
    }
}

impl Runner {
    /// The lease, taken out: it is put back after a success.
    async fn look_at_lease(
        &mut self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Option<Lease>> {
        let granted = self.keeper.grants.borrow_and_update().held.get(CHECKPOINT).copied();
        let Some(granted) = granted else { return Ok(None) };
        let known = self.lease.take().filter(|lease| lease.epoch >= granted);
        if known.is_some() {
            return Ok(known);
        }
        let replica = &self.keeper.replica.name;
        Lease::look_up(connection, CHECKPOINT, replica).await
    }

    async fn work(
        &mut self,
        mut lease: Lease,
        connection: &mut PgConnection,
    ) -> Result<Step, SubscriptionError> {
        if let Some(stream) = lease.to_retry.pop() {
            self.retry(&lease, &stream, connection).await?;
            if !lease.to_retry.is_empty() {
                self.lease = Some(lease);
            }
            return Ok(Step::WorkedWithMore(Position(0)));
        }
        let events = decode_all(event_store::read_after(connection, lease.done, BATCH).await?);
        let Some(last) = events.last().map(|read| recorded(read).position) else {
            let done = lease.done;
            self.lease = Some(lease);
            return Ok(Step::Idle(done));
        };
        let (told, to_park) = sort_out(&events, &lease.parked);
        if !self.may_publish(&lease) {
            return Ok(Step::StandBy);
        }
        crash_points::reach(Point::RelayBeforePublish);
        self.outbox.publish(&told).await?;
        crash_points::reach(Point::RelayPublished);
        let mut transaction = connection.begin().await?;
        let held = [(CHECKPOINT, lease.epoch)];
        if !event_store::advance(&mut transaction, &held, lease.done, last).await? {
            transaction.rollback().await?;
            return Ok(Step::StandBy);
        }
        parking::park(&mut transaction, CHECKPOINT, &to_park).await?;
        transaction.commit().await?;
        gauge!(RELAY_CHECKPOINT).set(last.0 as f64);
        trace::became("published", told.iter().map(|event| &event.recorded));
        lease.moved(CHECKPOINT, last, to_park);
        self.lease = Some(lease);
        self.outbox.clean_up(&told).await;
        let is_full = i64::try_from(events.len()).is_ok_and(|read| read == BATCH);
        Ok(if is_full { Step::WorkedWithMore(last) } else { Step::Worked(last) })
    }

    /// What the broker has cannot be taken back, so the clock is asked first: a process that was stopped
    /// for a while does not send what another has sent meanwhile.
    fn may_publish(&self, lease: &Lease) -> bool {
        let grants = self.keeper.grants.borrow();
        grants.is_valid(CHECKPOINT)
            && grants.held.get(CHECKPOINT).is_some_and(|granted| *granted <= lease.epoch)
    }

    /// Publishes parked events of a stream, in order, up to the first that still cannot be told. They are
    /// forgotten when the broker has them; a crash in between tells them twice.
    async fn retry(
        &mut self,
        lease: &Lease,
        stream: &Stream,
        connection: &mut PgConnection,
    ) -> Result<(), SubscriptionError> {
        let parked = parking::parked_events(connection, CHECKPOINT, stream, BATCH).await?;
        let events = decode_all(parked);
        let (told, failed) = sort_out(&events, &HashSet::new());
        if !self.may_publish(lease) {
            return Ok(());
        }
        self.outbox.publish(&told).await?;
        let mut transaction = connection.begin().await?;
        let held = [(CHECKPOINT, lease.epoch)];
        if event_store::advance(&mut transaction, &held, lease.done, lease.done).await? {
            let done: Vec<_> = told.iter().map(|event| event.position()).collect();
            parking::unpark(&mut transaction, CHECKPOINT, &done).await?;
            if let Some(ToPark { position, error: Some(error), .. }) = failed.first() {
                parking::failed_again(&mut transaction, CHECKPOINT, stream, *position, error)
                    .await?;
            }
        }
        Ok(transaction.commit().await?)
    }
}

/// What can be told, and what is to be parked: what cannot be read, and whatever comes behind that or
/// behind what is parked.
fn sort_out<'e>(events: &'e [Read], parked: &HashSet<Stream>) -> (Vec<&'e Decoded>, Vec<ToPark>) {
    let mut stopped = HashSet::new();
    let (mut told, mut to_park) = (Vec::with_capacity(events.len()), Vec::new());
    for read in events {
        let event = recorded(read);
        let is_behind = (!parked.is_empty() || !stopped.is_empty()) && {
            let stream = event.stream();
            parked.contains(&stream) || stopped.contains(&stream)
        };
        match read {
            _ if is_behind => to_park.push(ToPark::new(event, None)),
            Ok(decoded) => told.push(decoded),
            Err(undecodable) => {
                stopped.insert(event.stream());
                to_park.push(ToPark::new(event, Some(undecodable.error.clone())));
            }
        }
    }
    (told, to_park)
}
