//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use domain::worker::{Request, Surface};
use event_store::{EventStore, IdAllocator, IdSequence};
use query_api::Freshness;
use sqlx::PgPool;

use crate::Heartbeats;

/// How long a worker has for a request before it counts as timed out. An outcome that comes later is not lost, but
/// whoever asked was told that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTimeouts {
    /// To start an instance, its download included. Default 300 s.
    pub start: Duration,
    /// To stop an instance. Default 120 s.
    pub stop: Duration,
    /// To write to a console. Default 30 s: a v1 worker drops what comes in the first 20 s of a process.
    pub stdin: Duration,
    /// To shut itself down; a v1 worker waits 30 s for each of its instances. Default 120 s.
    pub shutdown: Duration,
    /// Of a native worker, to start an instance: it says so when the process runs, and an install may take long.
    /// Default 2 h.
    pub native_start: Duration,
    /// Of a native worker, to stop an instance: it says so when the process has ended, and a config may give that up to
    /// 120 s after the stop line and as long again after SIGTERM. Default 300 s.
    pub native_stop: Duration,
    /// Of a native worker, to shut itself down: it stops all its instances first, side by side, so it needs as long as
    /// for the slowest of them. Default 300 s.
    pub native_shutdown: Duration,
}

impl Default for RequestTimeouts {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(300),
            stop: Duration::from_secs(120),
            stdin: Duration::from_secs(30),
            shutdown: Duration::from_secs(120),
            native_start: Duration::from_secs(7_200),
            native_stop: Duration::from_secs(300),
            native_shutdown: Duration::from_secs(300),
        }
    }
}

impl RequestTimeouts {
    pub(crate) fn of(&self, request: &Request, surface: Surface) -> Duration {
        match (request, surface) {
            (Request::Start { .. }, Surface::V1) => self.start,
            (Request::Start { .. }, Surface::Native) => self.native_start,
            (Request::Stop { .. }, Surface::V1) => self.stop,
            (Request::Stop { .. }, Surface::Native) => self.native_stop,
            (Request::Stdin { .. }, Surface::V1 | Surface::Native) => self.stdin,
            (Request::Shutdown, Surface::V1) => self.shutdown,
            (Request::Shutdown, Surface::Native) => self.native_shutdown,
        }
    }
}

/// The state of all routers.
pub struct CommandApi {
    pub(crate) store: EventStore,
    /// Where the read models are: the database, or a replica of it.
    pub(crate) reads: PgPool,
    pub(crate) freshness: Freshness,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) timeouts: RequestTimeouts,
    pub(crate) ids: Ids,
}

/// Where the ids of what is created come from.
pub(crate) struct Ids {
    pub(crate) worker: IdAllocator,
    pub(crate) game_server_instance: IdAllocator,
    pub(crate) game_server: IdAllocator,
    pub(crate) game_server_config: IdAllocator,
    pub(crate) game_server_command: IdAllocator,
    pub(crate) game_server_config_command: IdAllocator,
}

impl CommandApi {
    /// Carries commands out on `store`. `freshness` must follow the read models in `reads`. To be called inside a tokio
    /// runtime.
    #[must_use]
    pub fn start(
        store: EventStore,
        reads: PgPool,
        freshness: Freshness,
        heartbeats: Heartbeats,
        timeouts: RequestTimeouts,
    ) -> Arc<Self> {
        let ids = |sequence| IdAllocator::start(store.log.pool().clone(), sequence);
        Arc::new(Self {
            ids: Ids {
                worker: ids(IdSequence::Worker),
                game_server_instance: ids(IdSequence::GameServerInstance),
                game_server: ids(IdSequence::GameServer),
                game_server_config: ids(IdSequence::GameServerConfig),
                game_server_command: ids(IdSequence::GameServerCommand),
                game_server_config_command: ids(IdSequence::GameServerConfigCommand),
            },
            store,
            reads,
            freshness,
            heartbeats,
            timeouts,
        })
    }
}
