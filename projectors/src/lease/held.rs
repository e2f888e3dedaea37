//! What the holder of a lease knows of its subscription.

use std::collections::HashSet;

use ::metrics::counter;
use event_store::parking::{self, Stream, ToPark};
use event_store::{Epoch, Position};
use sqlx::PgConnection;

use crate::metrics::PROJECTION_PROCESSED;

/// A lease in hand. Whatever fails under it is a reason to look it up anew.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) epoch: Epoch,
    /// Everything up to here is done.
    pub(crate) done: Position,
    /// The streams whose events are parked.
    pub(crate) parked: HashSet<Stream>,
    /// Those of which somebody wants them tried again.
    pub(crate) to_retry: Vec<Stream>,
}

impl Lease {
    /// What the database says; `None` when the replica does not hold it.
    pub(crate) async fn look_up(
        connection: &mut PgConnection,
        name: &str,
        replica: &str,
    ) -> sqlx::Result<Option<Self>> {
        let Some(held) = event_store::held(connection, name, replica).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            epoch: held.epoch,
            done: held.position,
            parked: parking::parked_streams(connection, name).await?,
            to_retry: parking::streams_to_retry(connection, name).await?,
        }))
    }

    /// The transaction that moved the checkpoint is committed.
    pub(crate) fn moved(&mut self, label: &'static str, to: Position, parked: Vec<ToPark>) {
        let events = u64::try_from(to.0 - self.done.0).unwrap_or_default();
        counter!(PROJECTION_PROCESSED, "projection" => label).increment(events);
        self.done = to;
        for event in parked {
            if let Some(error) = &event.error {
                let (position, entity) = (event.position.0, &event.stream);
                tracing::error!(projection = label, position, ?entity, error, "event parked");
            }
            self.parked.insert(event.stream);
        }
    }
}
