//! What is wrong with an event, and what is wrong with us: only the former is put aside.

use event_store::Position;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// An event that a subscription cannot handle, however often it tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Poison {
    pub(crate) position: Position,
    /// In words for an operator.
    pub(crate) error: String,
}

/// Whether a statement failed because of what is to be written: wrong data (class 22), a constraint (23),
/// an exception that somebody's trigger raised (P0). All else, from a lost connection to a missing table,
/// would fail for any event.
pub(crate) fn is_about_data(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            ["22", "23", "P0"].iter().any(|class| code.starts_with(class))
        }
        // A value that the protocol cannot carry.
        sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

/// The database's words, with the detail that names the row.
pub(crate) fn in_words(error: &sqlx::Error) -> String {
    let error_of_postgres = |error: &dyn DatabaseError| {
        error
            .try_downcast_ref::<PgDatabaseError>()
            .and_then(|error| error.detail().map(str::to_owned))
    };
    let detail = error.as_database_error().and_then(error_of_postgres);
    match detail {
        Some(detail) => format!("{error}: {detail}"),
        None => error.to_string(),
    }
}
