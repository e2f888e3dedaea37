//! A JSON body, before it is checked.

use std::error::Error;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde_json::Value;

use super::check::Invalid;
use super::error::V1Error;
use super::json_error;

/// `FastAPI`'s answer to a body it cannot read for any other reason than broken JSON.
const UNREADABLE: &str = "There was an error parsing the body";

/// A body that was read and not yet looked at. Give it to [`super::Check::body`].
///
/// It is JSON when `Content-Type` is absent, `application/json` or `application/*+json`, and a text
/// otherwise. As an extractor it refuses broken JSON (422), other unreadable bytes (400) and too
/// many of them (413), each before the endpoint runs, as v1 does.
#[derive(Clone, Debug)]
pub struct JsonBody(Content);

#[derive(Clone, Debug)]
pub(super) enum Content {
    Absent,
    Json(Value),
    Text(String),
}

impl JsonBody {
    pub(super) fn content(&self) -> &Content {
        &self.0
    }

    fn read(headers: &HeaderMap, bytes: &Bytes) -> Result<Self, V1Error> {
        if bytes.is_empty() {
            return Ok(Self(Content::Absent));
        }
        if !is_json(headers) {
            return Ok(Self(Content::Text(String::from_utf8_lossy(bytes).into_owned())));
        }
        let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(unmarked)
            .map(|value| Self(Content::Json(value)))
            .map_err(|_| refusal(unmarked))
    }
}

/// Says what is wrong with bytes that are no JSON to us. What Python would read and we do not
/// (`NaN`, numbers beyond a double, lone surrogates, nesting deeper than 128) made v1 fail later;
/// it is unreadable here.
fn refusal(bytes: &[u8]) -> V1Error {
    match std::str::from_utf8(bytes).map(json_error::locate) {
        Ok(Some(error)) => {
            V1Error::Invalid(vec![Invalid::broken_json(error.position, error.message)])
        }
        Ok(None) | Err(_) => V1Error::bad_request(UNREADABLE),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
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

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = V1Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, V1Error> {
        let (parts, body) = request.into_parts();
        Self::read(&parts.headers, &read_body(body).await?)
    }
}

/// All bytes of a body, for code that needs them as they were sent. How many may be read is decided
/// for all routes together ([`crate::http::Limits`]); more are a 413, a broken connection a 400.
pub async fn read_body(body: Body) -> Result<Bytes, V1Error> {
    to_bytes(body, usize::MAX).await.map_err(|error| {
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        if causes.any(<dyn Error>::is::<LengthLimitError>) {
            V1Error::too_large()
        } else {
            V1Error::bad_request(UNREADABLE)
        }
    })
}
