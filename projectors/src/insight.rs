//! What a replica sees of subscriptions, as metrics: those it works on and all others, so that one that
//! hangs or that nobody holds is noticed wherever one looks.

use std::collections::BTreeMap;
use std::time::Duration;

use ::metrics::gauge;
use event_store::Epoch;
use event_store::lease::Leases;
use event_store::rebuilding;
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::lease::Shared;
use crate::metrics::{
    LEASE_EPOCH, LEASE_HELD, PARKED_EVENTS, PROJECTION_CHECKPOINT, PROJECTION_LAG,
    PROJECTION_LAG_SECONDS, REBUILD_POSITION, REBUILD_TARGET,
};

/// How often what takes a closer look is looked at.
const CLOSER: Duration = Duration::from_secs(1);

pub(crate) struct Insight {
    shared: Vec<Shared>,
    closer_at: Option<Instant>,
}

impl Insight {
    pub(crate) fn new(shared: Vec<Shared>) -> Self {
        Self { shared, closer_at: None }
    }

    pub(crate) async fn tell(
        &mut self,
        connection: &mut PgConnection,
        leases: &Leases,
        held: &BTreeMap<String, Epoch>,
    ) -> sqlx::Result<()> {
        for it in &leases.subscriptions {
            let Some(label) = self.label(&it.name) else { continue };
            let lag = leases.head.0.saturating_sub(it.position.0).max(0);
            let is_held = held.contains_key(&it.name);
            gauge!(PROJECTION_CHECKPOINT, "projection" => label).set(it.position.0 as f64);
            gauge!(PROJECTION_LAG, "projection" => label).set(lag as f64);
            gauge!(LEASE_HELD, "projection" => label).set(f64::from(u8::from(is_held)));
            gauge!(LEASE_EPOCH, "projection" => label).set(it.epoch.0 as f64);
        }
        if self.closer_at.is_some_and(|at| at.elapsed() < CLOSER) {
            return Ok(());
        }
        self.closer_at = Some(Instant::now());
        self.look_closer(connection).await
    }

    async fn look_closer(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let names: Vec<_> = self.shared.iter().map(|shared| shared.name.as_str()).collect();
        let standings = event_store::standings(connection, &names).await?;
        for (shared, standing) in self.shared.iter().zip(&standings.subscriptions) {
            let waiting = standing.waiting.as_secs_f64();
            gauge!(PROJECTION_LAG_SECONDS, "projection" => shared.label).set(waiting);
        }
        let parked: BTreeMap<_, _> =
            event_store::parking::parked_counts(connection).await?.into_iter().collect();
        let checkpoints = rebuilding::checkpoints(connection).await?;
        for shared in &self.shared {
            let name = rebuilding::checkpoint(shared.label);
            let rebuild = checkpoints.iter().find(|checkpoint| checkpoint.name == name);
            let (position, target) =
                rebuild.map_or((0, 0), |rebuild| (rebuild.position.0, standings.head.0));
            gauge!(REBUILD_POSITION, "projection" => shared.label).set(position as f64);
            gauge!(REBUILD_TARGET, "projection" => shared.label).set(target as f64);
            let count = parked.get(&shared.name).copied().unwrap_or_default();
            gauge!(PARKED_EVENTS, "projection" => shared.label).set(count as f64);
        }
        Ok(())
    }

    fn label(&self, name: &str) -> Option<&'static str> {
        self.shared.iter().find(|shared| shared.name == name).map(|shared| shared.label)
    }
}
