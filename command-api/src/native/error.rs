//! Why a command of the native surface was not carried out: refusals of the domain and failures as problems. The one
//! place with their codes, which programs compare and which therefore never change.

use std::time::Duration;

use axum::http::StatusCode;
use domain::game_server::GameServerRefusal;
use domain::game_server_config::ConfigRefusal;
use domain::worker::WorkerRefusal;
use domain::{ClaimScope, Instant, WorkerId};
use event_store::{AppendError, ExecuteError};
use service::problem::Problem;

use crate::error::sentence;
use crate::failure::Failure;

/// When a client that was told 503 should ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Something about a worker.
pub(super) fn worker(error: ExecuteError<WorkerRefusal>) -> Problem {
    of(error, |refusal| match refusal {
        WorkerRefusal::NotFound => worker_not_found(),
        WorkerRefusal::TakenOver { .. } => {
            Problem::conflict("worker_taken_over", in_words(&refusal))
        }
        WorkerRefusal::Gone { .. } | WorkerRefusal::AlreadyClosed { .. } => {
            Problem::new(StatusCode::GONE, "worker_closed", in_words(&refusal))
        }
        WorkerRefusal::NameInUse { .. } => {
            Problem::conflict("worker_name_in_use", in_words(&refusal))
        }
        WorkerRefusal::AlreadyExists { .. } => {
            Problem::conflict("worker_already_exists", in_words(&refusal))
        }
        WorkerRefusal::NotAName { .. } => {
            Problem::unprocessable("invalid_worker_name", in_words(&refusal))
        }
        WorkerRefusal::LostReported
        | WorkerRefusal::ControlCharacters { .. }
        | WorkerRefusal::NotAscii { .. } => {
            Problem::unprocessable("invalid_body", in_words(&refusal))
        }
    })
}

/// Another agent has the worker of this name, and is alive.
pub(super) fn name_in_use(worker_id: WorkerId, heard_of_at: Instant, now: Instant) -> Problem {
    let silent = now.signed_duration_since(heard_of_at).num_milliseconds().max(0);
    let (seconds, tenths) = (silent / 1_000, silent % 1_000 / 100);
    let detail = format!(
        "Worker {worker_id} has this name, and its agent was heard of {seconds}.{tenths} seconds ago."
    );
    Problem::conflict("worker_name_in_use", detail)
}

/// Something about a game server.
pub(super) fn game_server(error: ExecuteError<GameServerRefusal>) -> Problem {
    of(error, |refusal| match refusal {
        GameServerRefusal::NotFound => game_server_not_found(),
        GameServerRefusal::CommandNotFound { .. } => {
            Problem::not_found("game_server_command_not_found", in_words(&refusal))
        }
        GameServerRefusal::AlreadyExists { .. } | GameServerRefusal::CommandNameTaken { .. } => {
            Problem::conflict("already_exists", in_words(&refusal))
        }
        GameServerRefusal::NulCharacter { .. } => {
            Problem::unprocessable("nul_character", in_words(&refusal))
        }
    })
}

/// Something about a config.
pub(super) fn config(error: ExecuteError<ConfigRefusal>) -> Problem {
    of(error, |refusal| {
        let code = match refusal {
            ConfigRefusal::NotFound => return config_not_found(),
            ConfigRefusal::AlreadyExists { .. } | ConfigRefusal::CommandTaken { .. } => {
                return Problem::conflict("already_exists", in_words(&refusal));
            }
            ConfigRefusal::NotKeyValue { .. } => "invalid_env_var",
            ConfigRefusal::OutsideInstallDirectory { .. } => "outside_install_directory",
            ConfigRefusal::ControlCharacters { .. } => "control_characters",
            ConfigRefusal::OutOfRange { .. } => "out_of_range",
            ConfigRefusal::NulCharacter { .. } => "nul_character",
        };
        Problem::unprocessable(code, in_words(&refusal))
    })
}

pub(super) fn worker_not_found() -> Problem {
    Problem::not_found("worker_not_found", "There is no such worker.")
}

pub(super) fn game_server_not_found() -> Problem {
    Problem::not_found("game_server_not_found", "There is no such game server.")
}

pub(super) fn config_not_found() -> Problem {
    Problem::not_found("game_server_config_not_found", "There is no such config.")
}

/// The body has the right shape, and its parts do not fit together.
pub(super) fn invalid_body(detail: &'static str) -> Problem {
    Problem::unprocessable("invalid_body", detail)
}

/// More than one heartbeat may bring.
pub(super) fn too_many_instances(most: usize) -> Problem {
    let detail = format!("A heartbeat may name {most} instances at most.");
    Problem::unprocessable("too_many_instances", detail)
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::UnfitKey => {
                let detail =
                    "The Idempotency-Key must be one value of 1 to 255 visible ASCII characters.";
                Self::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail)
            }
            Failure::KeyReused => {
                let detail = "The Idempotency-Key was already used for another request.";
                Self::unprocessable("idempotency_key_reused", detail)
            }
            Failure::Unread(unread) => unread.into(),
            Failure::Taken(scope) => taken(scope),
            Failure::Busy => {
                Self::unavailable("Too many changes at once.", RETRY_AFTER).caused_by(failure)
            }
            Failure::Database(error) => error.into(),
            Failure::Away(error @ AppendError::Closed) => {
                Self::unavailable("The process is ending.", RETRY_AFTER).caused_by(error)
            }
            Failure::Away(error) => {
                Self::unavailable("The database is away.", RETRY_AFTER).caused_by(error)
            }
            Failure::Internal(cause) => Self::internal(cause),
        }
    }
}

/// What is the same for all aggregates.
fn of<E: std::error::Error>(error: ExecuteError<E>, refused: impl FnOnce(E) -> Problem) -> Problem {
    Failure::or_refusal(error).map_or_else(Problem::from, refused)
}

fn taken(scope: ClaimScope) -> Problem {
    let (code, detail) = match scope {
        ClaimScope::GameServerName => {
            ("game_server_name_taken", "A game server of this type has this name already.")
        }
        ClaimScope::GameServerAppId => {
            ("game_server_app_id_taken", "A game server of this type has this app id already.")
        }
        ClaimScope::ConfigName => {
            ("game_server_config_name_taken", "A config of this game server has this name already.")
        }
        ClaimScope::DefaultConfig => {
            ("default_config_taken", "This game server has a default config already.")
        }
        ClaimScope::WorkerName => ("worker_name_in_use", "An open worker has this name."),
    };
    Problem::conflict(code, detail)
}

fn in_words(refusal: &impl std::error::Error) -> String {
    format!("{}.", sentence(refusal))
}
