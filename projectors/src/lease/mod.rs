//! The keeper of a replica's leases: renews what it holds, takes what is free, gives back what is beyond
//! its share, and says to whoever does the work what that is.
//!
//! What it says is advice, a moment old. What is written is decided by the epoch, in the transaction that
//! writes.

mod decide;
mod held;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_store::Epoch;
use event_store::lease::{self, Leased, Leases, Replica};
use sqlx::{Executor, PgConnection, PgPool};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::decide::Balance;
pub(crate) use self::held::Lease;
use crate::insight::Insight;

/// Between two looks; several fit into the term of a lease.
const LOOK: Duration = Duration::from_millis(300);

/// A subscription that replicas share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// The name of its checkpoint.
    pub(crate) name: String,
    /// As metrics label it.
    pub(crate) label: &'static str,
    /// The version of the rule that this program has for it; 0 where rules have none.
    pub(crate) version: i32,
}

/// What a replica holds, as far as it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grants {
    /// By name.
    pub(crate) held: BTreeMap<String, Epoch>,
    /// Subscriptions whose rows are of an older version than this program's rule.
    pub(crate) outdated: Vec<String>,
    /// Until when all that holds, if nothing more is heard.
    until: Instant,
}

impl Grants {
    /// Whether the replica holds that lease now, by its own clock.
    pub(crate) fn is_valid(&self, name: &str) -> bool {
        self.until > Instant::now() && self.held.contains_key(name)
    }
}

/// The keeper's side that the work sees. The keeper ends with it.
pub(crate) struct Keeper {
    pub(crate) replica: Replica,
    pub(crate) grants: watch::Receiver<Grants>,
    is_able: Arc<AtomicBool>,
    leaves: CancellationToken,
    task: JoinSet<()>,
}

impl Keeper {
    /// Starts to keep leases of these subscriptions, all of one kind.
    pub(crate) fn start(pool: PgPool, kind: &'static str, shared: Vec<Shared>) -> Self {
        let replica = Replica { name: replica_name(), kind };
        let nothing = Grants { held: BTreeMap::new(), outdated: Vec::new(), until: Instant::now() };
        let (tell, grants) = watch::channel(nothing);
        let is_able = Arc::new(AtomicBool::new(true));
        let leaves = CancellationToken::new();
        let work = Work {
            names: shared.iter().map(|shared| shared.name.clone()).collect(),
            insight: Insight::new(shared.clone()),
            shared,
            pool,
            replica: replica.clone(),
            is_able: Arc::clone(&is_able),
            balance: Balance::default(),
            tell,
            connection: None,
        };
        let mut task = JoinSet::new();
        task.spawn(work.run(leaves.clone()));
        Self { replica, grants, is_able, leaves, task }
    }

    /// Whether the replica can do the work at present. One that cannot leaves it to others.
    pub(crate) fn set_able(&self, is_able: bool) {
        self.is_able.store(is_able, Ordering::Relaxed);
    }

    /// Gives everything back; to be called when the work has ended.
    pub(crate) async fn leave(mut self) {
        self.leaves.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

/// The host's name tells an operator where to look; the rest makes it unlike all others.
pub(crate) fn replica_name() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let host = host.unwrap_or_else(|| "unknown-host".to_owned());
    let unique = Uuid::now_v7().simple().to_string();
    format!("{host}/{}/{}", std::process::id(), &unique[24..])
}

struct Work {
    pool: PgPool,
    replica: Replica,
    shared: Vec<Shared>,
    names: Vec<String>,
    is_able: Arc<AtomicBool>,
    balance: Balance,
    tell: watch::Sender<Grants>,
    insight: Insight,
    connection: Option<PgConnection>,
}

impl Work {
    async fn run(mut self, leaves: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while leaves.run_until_cancelled(looks.tick()).await.is_some() {
            let began = Instant::now();
            match timeout(lease::TERM, self.look(began)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.interrupted(&error.to_string()),
                Err(_) => self.interrupted("no answer"),
            }
        }
        if let Some(mut connection) = self.connection.take() {
            // What is not given back ends by itself.
            let _ = timeout(lease::TERM, lease::leave(&mut connection, &self.replica)).await;
        }
    }

    fn interrupted(&mut self, problem: &str) {
        // The connection is gone or in an unknown state. The leases may last; nobody relies on it.
        self.connection = None;
        tracing::debug!(problem, "leases could not be looked at");
    }

    async fn look(&mut self, began: Instant) -> sqlx::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.pool).await?,
        };
        let is_able = self.is_able.load(Ordering::Relaxed);
        let is_hungry = self.balance.is_hungry && is_able;
        let leases = lease::renew(&mut connection, &self.replica, is_hungry, &self.names).await?;
        self.adopt(&mut connection, &leases).await?;
        let shared = &self.shared;
        let decision = self.balance.decide(&leases, |name, version| {
            let is_ours =
                |it: &Shared| it.name == name && version.is_none_or(|of| of == it.version);
            is_able && shared.iter().any(is_ours)
        });
        if !decision.give_back.is_empty() {
            lease::give_back(&mut connection, &self.replica.name, &decision.give_back).await?;
        }
        let mut held: BTreeMap<_, _> = leases
            .subscriptions
            .iter()
            .filter(|it| it.is_mine && !decision.give_back.contains(&it.name))
            .map(|it| (it.name.clone(), it.epoch))
            .collect();
        for (name, seen) in decision.take {
            let taken = lease::take(&mut connection, &self.replica, &name, seen).await;
            match taken {
                Ok(Some(epoch)) => {
                    tracing::info!(subscription = name, epoch = epoch.0, "lease taken");
                    held.insert(name, epoch);
                }
                Ok(None) => {}
                // Somebody's last transaction still has it; the next look tries again.
                Err(error) if is_lock_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.insight.tell(&mut connection, &leases, &held).await?;
        self.connection = Some(connection);
        let outdated = self.outdated(&leases);
        self.tell.send_replace(Grants { held, outdated, until: began + lease::TERM });
        Ok(())
    }

    /// Rows that nobody has claimed a version for are of this one: there was none before.
    async fn adopt(&self, connection: &mut PgConnection, leases: &Leases) -> sqlx::Result<()> {
        for it in leases.subscriptions.iter().filter(|it| it.is_mine && it.version.is_none()) {
            if let Some(version) = self.version_of(&it.name) {
                lease::adopt(connection, &it.name, version).await?;
            }
        }
        Ok(())
    }

    fn version_of(&self, name: &str) -> Option<i32> {
        self.shared.iter().find(|shared| shared.name == name).map(|shared| shared.version)
    }

    fn outdated(&self, leases: &Leases) -> Vec<String> {
        let is_older =
            |it: &&Leased| it.version < self.version_of(&it.name) && it.version.is_some();
        leases.subscriptions.iter().filter(is_older).map(|it| it.name.clone()).collect()
    }
}

/// A connection that neither waits long for a row nor, should this process be stopped, holds one for long.
///
/// It does not wait for the disk either: batches would wait for it. A crash of the database may forget an epoch
/// that was given, and give it again; but no session survives such a crash, and who loses his session forgets his
/// leases.
async fn connect(pool: &PgPool) -> sqlx::Result<PgConnection> {
    let mut connection = crate::session::connect(pool, "public").await?;
    connection.execute("SET lock_timeout = '500ms'").await?;
    Ok(connection)
}

/// Whether a lock was not to be had in time.
pub(crate) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("55P03")
}
