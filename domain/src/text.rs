//! What text the domain lets in. Whatever gets into an event is there for ever, and every read
//! model must be able to hold it.

/// PostgreSQL's `text` cannot hold a NUL: an event with one would stop every projector that shows it.
pub(crate) fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Newlines above all: they turn one console line into two. DEL and the C1 controls count too.
pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}
