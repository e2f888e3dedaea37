//! Why a command was not carried out, in v1's words and statuses. The one place where refusals of the domain and
//! failures become answers of the v1 surface.
//!
//! v1's texts name what was attempted, and the same refusal has another status on another endpoint (an unknown worker is
//! 400 to a heartbeat and 404 to a shutdown), so there is a function per attempt.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::StatusCode;
use domain::game_server::{GameServerRefusal, TemplateRefusal};
use domain::game_server_config::ConfigRefusal;
use domain::game_server_instance::InstanceRefusal;
use domain::worker::WorkerRefusal;
use domain::{ClaimScope, Instant, WorkerId};
use event_store::{AppendError, ExecuteError};
use service::v1::V1Error;
use service::v1::time::WithoutOffset;

use crate::failure::Failure;

/// When a client that was told 503 should ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

type WorkerError = ExecuteError<WorkerRefusal>;

/// A worker gave a sign of life.
pub(crate) fn heartbeat(error: WorkerError) -> V1Error {
    of(error, |refusal| match refusal {
        WorkerRefusal::NotFound => V1Error::bad_request("Worker not found"),
        WorkerRefusal::Gone { worker_id, closed_at }
        | WorkerRefusal::AlreadyClosed { worker_id, closed_at } => {
            V1Error::gone(closed_worker(worker_id, closed_at, "Heartbeat"))
        }
        other => worker_refusal(&other),
    })
}

/// A sign of life without an id, or with one that no worker can have.
pub(crate) fn heartbeat_of_nobody() -> V1Error {
    heartbeat(ExecuteError::Refused(WorkerRefusal::NotFound))
}

/// A worker said hello or goodbye.
pub(crate) fn worker(error: WorkerError) -> V1Error {
    of(error, |refusal| match refusal {
        WorkerRefusal::Gone { worker_id, closed_at }
        | WorkerRefusal::AlreadyClosed { worker_id, closed_at } => {
            V1Error::conflict(closed_worker(worker_id, closed_at, "Shutdown"))
        }
        other => worker_refusal(&other),
    })
}

/// A worker took over from all others.
pub(crate) fn take_over(error: WorkerError) -> V1Error {
    of(error, |refusal| match refusal {
        WorkerRefusal::Gone { worker_id, closed_at } => {
            V1Error::gone(closed_worker(worker_id, closed_at, "Shutdown of others"))
        }
        other => worker_refusal(&other),
    })
}

/// A worker began an instance.
pub(crate) fn instance_creation(error: WorkerError) -> V1Error {
    of(error, |refusal| match refusal {
        WorkerRefusal::Gone { worker_id, closed_at } => {
            V1Error::gone(closed_worker(worker_id, closed_at, "Instance creation"))
        }
        other => worker_refusal(&other),
    })
}

/// Somebody asked something of the current worker. One that was closed a moment ago is not current any more.
pub(crate) fn request(error: WorkerError) -> V1Error {
    of(error, |refusal| match refusal {
        WorkerRefusal::Gone { .. } => worker_not_found(),
        other => worker_refusal(&other),
    })
}

/// Somebody had a command executed on an instance.
pub(crate) fn execution(error: WorkerError) -> V1Error {
    of(error, |refusal| match refusal {
        WorkerRefusal::NotFound | WorkerRefusal::Gone { .. } => {
            V1Error::bad_request("Cannot execute command on an instance whose worker is closed")
        }
        other => worker_refusal(&other),
    })
}

/// Something about an instance.
pub(crate) fn instance(error: ExecuteError<InstanceRefusal>) -> V1Error {
    of(error, |refusal| match refusal {
        InstanceRefusal::NotFound => instance_not_found(),
        InstanceRefusal::AlreadyClosed { game_server_instance_id, closed_at } => {
            V1Error::conflict(format!(
                "Game server instance {game_server_instance_id} was already closed on {}. Shutdown rejected.",
                WithoutOffset(closed_at),
            ))
        }
        InstanceRefusal::AlreadyExists { .. } => V1Error::conflict(sentence(&refusal)),
        InstanceRefusal::LostReported => V1Error::bad_request(sentence(&refusal)),
    })
}

/// Something about a game server.
pub(crate) fn game_server(error: ExecuteError<GameServerRefusal>) -> V1Error {
    of(error, |refusal| match refusal {
        GameServerRefusal::NotFound => game_server_not_found(),
        GameServerRefusal::CommandNotFound { .. } => command_not_found(),
        GameServerRefusal::CommandNameTaken { .. } => {
            V1Error::conflict("Command with this name already exists for this game server")
        }
        GameServerRefusal::AlreadyExists { .. } => V1Error::conflict(sentence(&refusal)),
        GameServerRefusal::NulCharacter { .. } => V1Error::bad_request(sentence(&refusal)),
    })
}

/// Something about a config.
pub(crate) fn config(error: ExecuteError<ConfigRefusal>) -> V1Error {
    of(error, |refusal| match refusal {
        ConfigRefusal::NotFound => config_not_found(),
        ConfigRefusal::CommandTaken { .. } => {
            V1Error::conflict("Command with this value already exists for this config")
        }
        ConfigRefusal::AlreadyExists { .. } => V1Error::conflict(sentence(&refusal)),
        ConfigRefusal::NotKeyValue { .. }
        | ConfigRefusal::OutsideInstallDirectory { .. }
        | ConfigRefusal::ControlCharacters { .. }
        | ConfigRefusal::OutOfRange { .. }
        | ConfigRefusal::NulCharacter { .. } => V1Error::bad_request(sentence(&refusal)),
    })
}

/// A value did not fit its template.
pub(crate) fn template(refusal: &TemplateRefusal) -> V1Error {
    match refusal {
        TemplateRefusal::ControlCharacters { .. } => V1Error::bad_request(sentence(refusal)),
    }
}

impl From<Failure> for V1Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::UnfitKey => Self::bad_request(
                "Invalid Idempotency-Key (must be one value of 1 to 255 visible ASCII characters)",
            ),
            Failure::KeyReused => Self::refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency-Key was already used for another request",
            ),
            Failure::Unread(unread) => unread.into(),
            Failure::Taken(scope) => taken(scope),
            Failure::Busy => Self::unavailable("Too many changes at once", RETRY_AFTER, failure),
            Failure::Database(error) => error.into(),
            Failure::Away(error @ AppendError::Closed) => {
                Self::unavailable("Shutting down", RETRY_AFTER, error)
            }
            Failure::Away(error) => Self::unavailable("Database unavailable", RETRY_AFTER, error),
            Failure::Internal(cause) => Self::internal(cause),
        }
    }
}

pub(crate) fn worker_not_found() -> V1Error {
    V1Error::not_found("Worker not found")
}

pub(crate) fn instance_not_found() -> V1Error {
    V1Error::not_found("Instance not found")
}

pub(crate) fn config_not_found() -> V1Error {
    V1Error::not_found("Config not found")
}

pub(crate) fn game_server_not_found() -> V1Error {
    V1Error::not_found("Game server not found")
}

pub(crate) fn command_not_found() -> V1Error {
    V1Error::not_found("Command not found")
}

pub(crate) fn default_command_not_found() -> V1Error {
    V1Error::not_found("Default command not found")
}

pub(crate) fn config_command_not_found() -> V1Error {
    V1Error::not_found("Config command not found")
}

/// v1's text, also for an instance that ended without a crash.
pub(crate) fn instance_over() -> V1Error {
    V1Error::bad_request("Cannot execute command on crashed instance")
}

pub(crate) fn no_such_command_type() -> V1Error {
    V1Error::bad_request("Invalid command_type (must be 'default' or 'config')")
}

pub(crate) fn no_such_server_type() -> V1Error {
    V1Error::bad_request("Invalid server_type (must be 'STEAM')")
}

/// What is the same for all aggregates.
fn of<E: std::error::Error>(error: ExecuteError<E>, refused: impl FnOnce(E) -> V1Error) -> V1Error {
    Failure::or_refusal(error).map_or_else(V1Error::from, refused)
}

/// What a worker's refusals mean where the attempt does not matter.
fn worker_refusal(refusal: &WorkerRefusal) -> V1Error {
    match refusal {
        WorkerRefusal::NotFound => worker_not_found(),
        WorkerRefusal::AlreadyExists { .. }
        | WorkerRefusal::AlreadyClosed { .. }
        | WorkerRefusal::NameInUse { .. }
        | WorkerRefusal::TakenOver { .. } => V1Error::conflict(sentence(refusal)),
        WorkerRefusal::Gone { .. } => V1Error::gone(sentence(refusal)),
        WorkerRefusal::NotAName { .. }
        | WorkerRefusal::LostReported
        | WorkerRefusal::ControlCharacters { .. }
        | WorkerRefusal::NotAscii { .. } => V1Error::bad_request(sentence(refusal)),
    }
}

/// v1 gives one text for both of a game server's rules.
fn taken(scope: ClaimScope) -> V1Error {
    V1Error::conflict(match scope {
        ClaimScope::GameServerName | ClaimScope::GameServerAppId => {
            "Game server with this name already exists"
        }
        ClaimScope::ConfigName => "Config with this name already exists for this game server",
        ClaimScope::DefaultConfig => "This game server has a default config already",
        ClaimScope::WorkerName => "Worker with this name already exists",
    })
}

fn closed_worker(worker_id: WorkerId, closed_at: Instant, attempt: &str) -> String {
    let closed_at = WithoutOffset(closed_at);
    format!("Worker {worker_id} was already closed on {closed_at}. {attempt} rejected.")
}

/// The domain's messages begin in lower case, texts of answers do not.
pub(crate) fn sentence(refusal: &impl std::error::Error) -> Cow<'static, str> {
    let mut text = refusal.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.into()
}
