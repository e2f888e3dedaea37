//! Requests to a worker: each is recorded when asked, pending until its outcome is, and forgotten then.

use serde::{Deserialize, Serialize};

use crate::text::{cut, has_control};
use crate::{GameServerConfigId, GameServerInstanceId, Instant, RequestId};

use super::aggregate::Worker;
use super::command::{Outcome, Request};
use super::event::{Surface, WorkerClosedBy, WorkerEvent};
use super::refusal::WorkerRefusal;

/// More of a reason is cut off: an outcome is not refused for how it is told.
const LONGEST_REASON: usize = 2_000;

/// A request to a worker that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// What was asked.
    pub summary: RequestSummary,
    /// When, on our clock.
    pub requested_at: Instant,
    /// By when an outcome is due.
    pub deadline: Instant,
}

/// As much of a [`Request`] as telling its outcome needs. The words of an stdin stay in its event:
/// snapshots and caches need not carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestSummary {
    /// See [`Request::Start`].
    Start {
        /// The config to run.
        game_server_config_id: GameServerConfigId,
    },
    /// See [`Request::Stop`].
    Stop {
        /// The config to stop.
        game_server_config_id: GameServerConfigId,
    },
    /// See [`Request::Stdin`].
    Stdin {
        /// The config whose instance reads the words.
        game_server_config_id: GameServerConfigId,
        /// The instance the sender meant, when it named one.
        game_server_instance_id: Option<GameServerInstanceId>,
    },
    /// See [`Request::Shutdown`].
    Shutdown,
}

impl Worker {
    /// A pending request asked again is the same request. One that has its outcome already is not
    /// remembered here; the command id in the log keeps a retry from asking twice.
    pub(super) fn request(
        &self,
        request_id: RequestId,
        request: Request,
        requested_at: Instant,
        deadline: Instant,
    ) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        let registration = self.require_open()?;
        if self.pending.contains_key(&request_id) {
            return Ok(Vec::new());
        }
        Ok(vec![match request {
            Request::Start { game_server_config_id } => WorkerEvent::StartRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            },
            Request::Stop { game_server_config_id } => WorkerEvent::StopRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            },
            Request::Stdin { game_server_config_id, game_server_instance_id, words } => {
                require_readable(&words, registration.surface)?;
                WorkerEvent::StdinSent {
                    request_id,
                    game_server_config_id,
                    game_server_instance_id,
                    words,
                    requested_at,
                    deadline,
                }
            }
            Request::Shutdown => {
                WorkerEvent::ShutdownRequested { request_id, requested_at, deadline }
            }
        }])
    }

    pub(super) fn resolve(
        &self,
        request_id: RequestId,
        outcome: Outcome,
        resolved_at: Instant,
    ) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        self.require_registered()?;
        if !self.pending.contains_key(&request_id) {
            return Ok(Vec::new());
        }
        Ok(vec![match outcome {
            Outcome::Fulfilled { game_server_instance_id } => {
                WorkerEvent::RequestFulfilled { request_id, game_server_instance_id, resolved_at }
            }
            Outcome::Refused { reason } => WorkerEvent::RequestRefused {
                request_id,
                reason: cut(&reason, LONGEST_REASON),
                resolved_at,
            },
            Outcome::Failed { reason } => WorkerEvent::RequestFailed {
                request_id,
                reason: cut(&reason, LONGEST_REASON),
                resolved_at,
            },
            Outcome::TimedOut => WorkerEvent::RequestTimedOut { request_id, resolved_at },
        }])
    }

    /// Nobody is left to carry requests out; only the one that asked for this end was.
    pub(super) fn outcomes_at_close(
        &self,
        at: Instant,
        by: WorkerClosedBy,
    ) -> impl Iterator<Item = WorkerEvent> {
        self.pending.iter().map(move |(&request_id, pending)| {
            let as_asked =
                pending.summary == RequestSummary::Shutdown && by == WorkerClosedBy::Shutdown;
            if as_asked {
                WorkerEvent::RequestFulfilled {
                    request_id,
                    game_server_instance_id: None,
                    resolved_at: at,
                }
            } else {
                WorkerEvent::RequestFailed {
                    request_id,
                    reason: "the worker was closed".to_owned(),
                    resolved_at: at,
                }
            }
        })
    }

    pub(super) fn remember(
        &mut self,
        request_id: RequestId,
        summary: RequestSummary,
        requested_at: Instant,
        deadline: Instant,
    ) {
        self.pending.insert(request_id, PendingRequest { summary, requested_at, deadline });
    }
}

fn require_readable(words: &[String], surface: Surface) -> Result<(), WorkerRefusal> {
    for word in words {
        if has_control(word) {
            return Err(WorkerRefusal::ControlCharacters { word: word.clone() });
        }
        if surface == Surface::V1 && !word.is_ascii() {
            return Err(WorkerRefusal::NotAscii { word: word.clone() });
        }
    }
    Ok(())
}
