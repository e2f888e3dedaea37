//! What can go wrong with any command, whatever it is about. Each surface says it in its own words.

use domain::ClaimScope;
use event_store::{AppendError, ExecuteError};
use query_api::QueryError;
use service::http::UnreadBody;

/// Why a command came to nothing, other than by a refusal of what it is about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The `Idempotency-Key` is not one value of visible ASCII characters.
    #[error("the idempotency key does not fit")]
    UnfitKey,
    /// The `Idempotency-Key` was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The body was not read to its end.
    #[error(transparent)]
    Unread(#[from] UnreadBody),
    /// A rule over many aggregates says no: another stream has it.
    #[error("{} is taken", .0.as_str())]
    Taken(ClaimScope),
    /// Lost every race on one stream.
    #[error("lost every race on one stream")]
    Busy,
    /// The database was asked, and there is no answer.
    #[error(transparent)]
    Database(QueryError),
    /// The log is away; it may or may not have taken the command.
    #[error(transparent)]
    Away(AppendError),
    /// A bug, or what is stored cannot be read.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// The database was asked directly.
    pub(crate) fn database(error: impl Into<QueryError>) -> Self {
        Self::Database(error.into())
    }

    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// The refusal, which only the endpoint has words for; or what went wrong instead.
    pub(crate) fn or_refusal<R>(error: ExecuteError<R>) -> Result<R, Self>
    where
        R: std::error::Error,
    {
        Err(match error {
            ExecuteError::Refused(refusal) => return Ok(refusal),
            ExecuteError::ClaimTaken(claim) => Self::Taken(claim.scope),
            ExecuteError::IdReused => Self::KeyReused,
            ExecuteError::Busy => Self::Busy,
            ExecuteError::Unreadable(cause) => Self::Internal(cause),
            ExecuteError::Append(error) => error.into(),
        })
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Busy,
            AppendError::ClaimTaken(claim) => Self::Taken(claim.scope),
            AppendError::Repeated { .. } => Self::KeyReused,
            AppendError::Unavailable(_) | AppendError::OutcomeUnknown(_) | AppendError::Closed => {
                Self::Away(error)
            }
            AppendError::Refused(cause) => Self::internal(cause),
        }
    }
}
