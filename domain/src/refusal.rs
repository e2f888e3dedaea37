//! How the domain says no.

use std::fmt;

/// What a caller can do about a refusal. The domain knows no HTTP; adapters map these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such thing.
    NotFound,
    /// Its state forbids it.
    Conflict,
    /// It ended; asking again will not help.
    Gone,
    /// The request makes no sense whatever the state.
    Invalid,
}

/// A domain error: an enum per aggregate that knows its kind.
pub trait Refusal: std::error::Error + fmt::Debug {
    /// What a caller can do about it.
    fn kind(&self) -> RefusalKind;
}
