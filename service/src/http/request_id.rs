//! The name of one request in logs, in errors and in the events it causes.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Builder, Uuid};

/// The header that carries the id in and out.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A client's `X-Request-Id` if it is fit to be logged, else a new UUIDv7. Every answer echoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(HEADER) {
            Some(id) if is_sane(id.as_bytes()) => Self(id.clone()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = next_uuid().hyphenated().encode_lower(&mut text);
        // Hexadecimal digits and dashes are always a header value.
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none")))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Only visible ASCII gets in, so there is nothing to lose here.
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// A UUIDv7 whose random part was drawn once per process and is counted up from there. Drawing it for
/// each request would be a system call for each; an id has to be unique, not hard to guess.
fn next_uuid() -> Uuid {
    static PROCESS: LazyLock<[u8; 16]> = LazyLock::new(|| Uuid::now_v7().into_bytes());
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut rest = [0; 10];
    rest[..4].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    rest[4..].copy_from_slice(&PROCESS[10..]);
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let millis = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
}

/// Long enough for any tracing system, short and plain enough that a client cannot forge log lines
/// with it.
fn is_sane(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(plain)
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::of(&parts.headers)))
    }
}
