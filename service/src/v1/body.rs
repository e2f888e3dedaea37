//! A JSON body, before it is checked.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use serde_json::Value;

use super::check::Invalid;
use super::error::V1Error;
use super::json_error;
use crate::http::{UnreadBody, is_json, read_body};

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

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = V1Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, V1Error> {
        let (parts, body) = request.into_parts();
        Self::read(&parts.headers, &read_body(body).await?)
    }
}

impl From<UnreadBody> for V1Error {
    fn from(unread: UnreadBody) -> Self {
        match unread {
            UnreadBody::TooLarge => Self::too_large(),
            UnreadBody::Broken => Self::bad_request(UNREADABLE),
        }
    }
}
