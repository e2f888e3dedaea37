//! Integer ids from sequences. Concurrent requests share one round trip; nothing is held back, so an
//! idle system hands out consecutive ids.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use crate::AppendError;
use crate::log::in_time;

/// The most ids fetched in one round trip.
const MOST: usize = 256;
/// How long a round trip may take before its connection counts as lost.
const ROUND_TRIP: Duration = Duration::from_secs(4);

/// The sequences ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdSequence {
    /// For workers.
    Worker,
    /// For game server instances.
    GameServerInstance,
    /// For game servers.
    GameServer,
    /// For game server configs.
    GameServerConfig,
    /// For command templates.
    GameServerCommand,
    /// For default values of command templates.
    GameServerCommandDefault,
    /// For commands of a config.
    GameServerConfigCommand,
    /// For options of a config.
    GameServerConfigOption,
}

impl IdSequence {
    const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker_ids",
            Self::GameServerInstance => "game_server_instance_ids",
            Self::GameServer => "game_server_ids",
            Self::GameServerConfig => "game_server_config_ids",
            Self::GameServerCommand => "game_server_command_ids",
            Self::GameServerCommandDefault => "game_server_command_default_ids",
            Self::GameServerConfigCommand => "game_server_config_command_ids",
            Self::GameServerConfigOption => "game_server_config_option_ids",
        }
    }
}

/// Hands out the ids of one sequence.
#[derive(Debug, Clone)]
pub struct IdAllocator {
    waiting: mpsc::Sender<oneshot::Sender<Result<i32, AppendError>>>,
}

impl IdAllocator {
    /// Starts handing out ids of `sequence`. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(pool: PgPool, sequence: IdSequence) -> Self {
        let (waiting, mut requests) = mpsc::channel(MOST);
        tokio::spawn(async move {
            let mut batch: Vec<oneshot::Sender<_>> = Vec::with_capacity(MOST);
            while requests.recv_many(&mut batch, MOST).await > 0 {
                match in_time(ROUND_TRIP, fetch(&pool, sequence, batch.len())).await {
                    Ok(ids) => {
                        for (request, id) in batch.drain(..).zip(ids) {
                            // Whoever gave up waiting leaves a gap, as a failed insert would.
                            let _ = request.send(Ok(id));
                        }
                    }
                    Err(error) => {
                        let error = AppendError::unavailable(&error);
                        for request in batch.drain(..) {
                            let _ = request.send(Err(error.clone()));
                        }
                    }
                }
            }
        });
        Self { waiting }
    }

    /// The next id.
    ///
    /// # Errors
    /// [`AppendError::Unavailable`] when the database does not answer.
    pub async fn next(&self) -> Result<i32, AppendError> {
        let (request, id) = oneshot::channel();
        self.waiting.send(request).await.map_err(|_| AppendError::Closed)?;
        id.await.map_err(|_| AppendError::Closed)?
    }
}

/// Does not wait for the disk: an id only matters once an event uses it, and making that event durable
/// makes the sequence's step before it durable too. An id that was never used may be handed out again.
async fn fetch(pool: &PgPool, sequence: IdSequence, count: usize) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT nextval($1::regclass)::int
           FROM (SELECT set_config('synchronous_commit', 'off', true)) unhurried, generate_series(1, $2)",
    )
    .bind(sequence.name())
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
}
