//! The bytes of a body.

use std::error::Error;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadBody {
    /// It is larger than [`crate::http::Limits`] allow.
    #[error("the body is too large")]
    TooLarge,
    /// The connection broke, or what came is no HTTP.
    #[error("the body broke off")]
    Broken,
}

/// All bytes of a body. How many may be read is decided for all routes together
/// ([`crate::http::Limits`]).
///
/// # Errors
/// When it is larger, or breaks off.
pub async fn read_body(body: Body) -> Result<Bytes, UnreadBody> {
    to_bytes(body, usize::MAX).await.map_err(|error| {
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        if causes.any(<dyn Error>::is::<LengthLimitError>) {
            UnreadBody::TooLarge
        } else {
            UnreadBody::Broken
        }
    })
}

/// Whether a body is to be read as JSON: its type is absent, `application/json` or
/// `application/*+json`.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    if value.is_empty() {
        return true;
    }
    let value = value.as_bytes().to_ascii_lowercase();
    let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
    let subtype = kind.trim_ascii().strip_prefix(b"application/");
    subtype.is_some_and(|subtype| subtype == b"json" || subtype.ends_with(b"+json"))
}
