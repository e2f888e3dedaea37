//! What a call came to when it did not succeed.

use std::error::Error;

/// Why a call did not succeed, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No call can be made like this: the address is none, or this system's certificates cannot be read.
    #[error("{address} cannot be used as the Worker DAL API: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered, or not in time. The call may have been carried out.
    #[error("the Worker DAL API did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The API, or what is before it, cannot answer now (5xx, 408, 429). The call may have been carried out.
    #[error("the Worker DAL API is unavailable: {status} {detail}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// What the answer says, for people.
        detail: String,
    },
    /// The API understood and says no. It will say so again.
    #[error("refused: {status} {detail}")]
    Refused {
        /// The HTTP status: 400, 404, 409, 410 or 422.
        status: u16,
        /// What programs compare, where the endpoint is a native one.
        code: Option<String>,
        /// Why, for people.
        detail: String,
    },
    /// An answer that the API does not give: another server, a gateway that lets nobody through, a wrong path in the
    /// address, or another version.
    #[error("not an answer of the Worker DAL API: {0}")]
    Unexpected(String),
}

impl ApiError {
    /// Whether the same call may succeed later without anybody changing what it says.
    #[must_use]
    pub const fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unavailable { .. } | Self::Unexpected(_) => true,
            Self::Address { .. } | Self::Refused { .. } => false,
        }
    }

    /// The status of a refusal.
    #[must_use]
    pub const fn refused_with(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The stable code of a refusal by a native endpoint.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// The error with its causes in one line, for reasons that are kept.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
