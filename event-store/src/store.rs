//! The domain's aggregates over one log.

use domain::{DeadLetter, GameServer, GameServerConfig, GameServerInstance, Subscription, Worker};
use sqlx::PgPool;

use crate::{Log, LogOptions, Repository};

/// The domain's aggregates over one log. Cheap to clone.
#[derive(Clone)]
pub struct EventStore {
    /// The log itself.
    pub log: Log,
    /// Workers.
    pub workers: Repository<Worker>,
    /// Game server instances.
    pub instances: Repository<GameServerInstance>,
    /// Game servers.
    pub game_servers: Repository<GameServer>,
    /// Game server configs.
    pub configs: Repository<GameServerConfig>,
    /// What was decided about projections and the relay, by the name of the checkpoint.
    pub subscriptions: Repository<Subscription>,
    /// What was decided about dead letters of the broker, by [`DeadLetter::id_of`].
    pub dead_letters: Repository<DeadLetter>,
}

impl EventStore {
    /// Starts the log on a pool. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(pool: PgPool, options: LogOptions) -> Self {
        let log = Log::start(pool, options);
        Self {
            workers: Repository::new(&log),
            instances: Repository::new(&log),
            game_servers: Repository::new(&log),
            configs: Repository::new(&log),
            subscriptions: Repository::new(&log),
            dead_letters: Repository::new(&log),
            log,
        }
    }
}
