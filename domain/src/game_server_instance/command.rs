//! What one may ask of an instance aggregate. Time and ids come with the command.

use crate::{GameServerConfigId, GameServerId, GameServerInstanceId, Instant, WorkerId};

use super::event::{InstanceClosedBy, InstanceLostBy};
use super::report::InstanceReport;

/// What one may ask of an instance aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceCommand {
    /// A worker begins a run. That the worker is open and the config exists is the caller's check:
    /// those are other streams, and the liveness process manager closes what slips through.
    Create {
        /// The id allocated for it.
        game_server_instance_id: GameServerInstanceId,
        /// The config it runs.
        game_server_config_id: GameServerConfigId,
        /// The game server of that config.
        game_server_id: GameServerId,
        /// The worker it runs on.
        worker_id: WorkerId,
        /// Now.
        at: Instant,
    },
    /// Its worker reports a status. One that is INITIALIZING already and reports nothing but progress
    /// has progressed; progress that comes after newer progress is no event.
    ReportStatus(InstanceReport),
    /// Nothing is known of it any more. No event when it is already lost, closed, or has no status
    /// or a terminal one.
    DeclareLost {
        /// Now.
        at: Instant,
        /// Why.
        by: InstanceLostBy,
        /// The last sign of life of its own, if there was one.
        last_heartbeat_at: Option<Instant>,
    },
    /// It was heard of again. No event unless it is lost.
    DeclareRecovered {
        /// Now.
        at: Instant,
    },
    /// End the run.
    ///
    /// Repeated by its worker within 60 s, or after the system closed it: no event, success with
    /// the closed instance (the worker's HTTP library repeats PUTs). Later repeats are refused.
    Close {
        /// Now.
        at: Instant,
        /// Why. Closing by the system also concludes the status.
        by: InstanceClosedBy,
    },
    /// Give a closed instance whose final report never came its final status. No event when it has one.
    Conclude {
        /// Now.
        at: Instant,
    },
}
