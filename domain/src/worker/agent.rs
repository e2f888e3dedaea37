//! The agent behind a worker: which one may speak as it, and when another one may take over.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Instant;
use crate::text::{cut, has_control};

use super::aggregate::Worker;
use super::event::WorkerEvent;
use super::refusal::WorkerRefusal;

/// For how long after its last sign of life an agent keeps its worker against another agent: as long
/// as a worker may be silent before it is lost.
pub const AGENT_ALIVE_FOR: TimeDelta = TimeDelta::seconds(5);

/// Longer is no name.
const LONGEST_NAME: usize = 128;
/// More of a version is cut off.
const LONGEST_VERSION: usize = 100;

/// An agent: the program that speaks as a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Kept by the agent in its state directory, so that it is the same after a restart.
    pub agent_id: Uuid,
    /// Its version, for people.
    pub version: String,
}

/// The agent that a worker has, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedAgent {
    /// Which one.
    pub agent_id: Uuid,
    /// Its version.
    pub agent_version: String,
    /// When it last attached, on our clock.
    pub attached_at: Instant,
}

impl Agent {
    pub(super) fn attached(self, attached_at: Instant) -> WorkerEvent {
        WorkerEvent::AgentAttached {
            agent_id: self.agent_id,
            agent_version: cut(&self.version, LONGEST_VERSION),
            attached_at,
        }
    }
}

impl Worker {
    /// The same agent may come back at any time. Another one has to wait until the one there has
    /// been silent for too long; to have attached is a sign of life, too.
    pub(super) fn attach(
        &self,
        agent: Agent,
        at: Instant,
        last_heartbeat_at: Option<Instant>,
    ) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        let worker_id = self.require_open()?.worker_id;
        if let Some(there) = self.agent.as_ref().filter(|there| there.agent_id != agent.agent_id) {
            let last_heartbeat_at =
                last_heartbeat_at.map_or(there.attached_at, |last| last.max(there.attached_at));
            if at.signed_duration_since(last_heartbeat_at) < AGENT_ALIVE_FOR {
                return Err(WorkerRefusal::NameInUse { worker_id, last_heartbeat_at });
            }
        }
        Ok(vec![agent.attached(at)])
    }

    /// Who does not say which agent it is may speak as the worker; v1 workers cannot say.
    pub(super) fn heartbeat(
        &self,
        agent_id: Option<Uuid>,
    ) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        let worker_id = self.require_open()?.worker_id;
        match (agent_id, &self.agent) {
            (Some(speaks), Some(there)) if speaks != there.agent_id => {
                Err(WorkerRefusal::TakenOver { worker_id })
            }
            (Some(_) | None, Some(_) | None) => Ok(Vec::new()),
        }
    }
}

/// People and programs address a worker by its name: it must survive being written down.
pub(super) fn require_name(name: &str) -> Result<(), WorkerRefusal> {
    let is_name = (1..=LONGEST_NAME).contains(&name.chars().count())
        && !has_control(name)
        && name.trim() == name;
    if is_name { Ok(()) } else { Err(WorkerRefusal::NotAName { name: cut(name, LONGEST_NAME) }) }
}
