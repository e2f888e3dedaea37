//! What can go wrong with a read, and how clients of either surface are told. The one place that decides what "the
//! database is away" is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use service::problem::Problem;
use service::v1::V1Error;

use crate::Position;
use crate::request::not_a_number;

/// When a client that was told 503 should ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a read may wait for the database.
const LONGEST: Duration = Duration::from_secs(5);

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A request of the v1 surface is at fault, or what it asks for does not exist.
    #[error(transparent)]
    Refused(#[from] V1Error),
    /// The position that the request demands is none.
    #[error("{0:?} is not a position")]
    NotAPosition(String),
    /// The database did not answer, or not as it should. Shared, because one statement may serve
    /// many requests.
    #[error("the database did not answer")]
    Database(#[from] Arc<sqlx::Error>),
    /// Reads did not come to the position that the request demands in time.
    #[error("reads are at position {reached} and not yet at {demanded}")]
    NotYet {
        /// What the request demands.
        demanded: Position,
        /// How far reads are.
        reached: Position,
    },
    /// A task of this process that the read depends on is gone: the process is ending.
    #[error("the process is ending")]
    Ended,
}

impl From<sqlx::Error> for QueryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<QueryError> for V1Error {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(refusal) => refusal,
            QueryError::NotAPosition(text) => not_a_number("header", "manman-min-position", &text),
            QueryError::Database(cause) if is_away(&cause) => {
                Self::unavailable("Database unavailable", RETRY_AFTER, cause)
            }
            QueryError::Database(cause) => Self::internal(cause),
            QueryError::NotYet { demanded, reached } => Self::Unavailable {
                detail: format!("Reads are at position {reached} and not yet at {demanded}").into(),
                retry_after: RETRY_AFTER,
                cause: None,
            },
            QueryError::Ended => Self::unavailable("Shutting down", RETRY_AFTER, error),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            // Native endpoints refuse with problems.
            QueryError::Refused(refusal) => Self::internal(refusal),
            QueryError::NotAPosition(_) => {
                Self::invalid_parameter("Manman-Min-Position", "The position must be digits.")
            }
            QueryError::Database(cause) if is_away(&cause) => {
                Self::unavailable("The database is away.", RETRY_AFTER).caused_by(cause)
            }
            QueryError::Database(cause) => Self::internal(cause),
            QueryError::NotYet { demanded, reached } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let detail = format!("Reads are at position {reached} and not yet at {demanded}.");
                Self::new(status, "position_not_reached", detail).retry_after(RETRY_AFTER)
            }
            QueryError::Ended => {
                Self::unavailable("The process is ending.", RETRY_AFTER).caused_by(error)
            }
        }
    }
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        V1Error::from(self).into_response()
    }
}

/// Gives up on a connection that went silent. It would otherwise be waited for without end, and by
/// every later request where requests share a statement.
pub(crate) async fn in_time<T>(query: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(LONGEST, query).await.map_err(silent)?
}

/// Whether the same statement may succeed later, as it is.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| is_passing(&code)),
        _ => false,
    }
}

/// Classes and codes of PostgreSQL's appendix A that say nothing about the statement.
fn is_passing(sqlstate: &str) -> bool {
    match sqlstate.get(..2) {
        // Connection, resources, operator intervention (shutdown, start-up, statement timeout).
        Some("08" | "53" | "57") => true,
        // A replica cancels reads that stand in the way of what it replays.
        _ => matches!(sqlstate, "40001" | "40P01"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse;

    use super::{Position, QueryError, is_passing};

    #[test]
    fn a_database_that_is_away_is_503_with_retry_after() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for error in [sqlx::Error::Io(refused), sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed]
        {
            let response = QueryError::from(error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
    }

    #[test]
    fn a_row_we_cannot_read_is_500() {
        let response = QueryError::from(sqlx::Error::RowNotFound).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_position_not_reached_is_503_with_retry_after() {
        let (demanded, reached) = (Position(9), Position(7));
        let response = QueryError::NotYet { demanded, reached }.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn what_postgresql_says_of_itself_passes_and_what_it_says_of_a_statement_does_not() {
        for code in ["08006", "53300", "57P01", "57P03", "57014", "40001"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["42P01", "22003", "23505", ""] {
            assert!(!is_passing(code), "{code}");
        }
    }
}
