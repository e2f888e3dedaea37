//! Answers to commands: their JSON, and where their events stand on the log.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event_store::{Executed, Position};
use query_api::freshness::POSITION_HEADER;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::failure::Failure;

/// An answer. It is made before the command is carried out, because it is kept with its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    text: String,
    /// Where what was created is found. Only the native surface tells.
    location: Option<String>,
}

/// How a reply is kept: its text as a string, not as JSON, so that a retry gets the same bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept<'a> {
    Text(Cow<'a, str>),
    Created { text: Cow<'a, str>, location: Cow<'a, str> },
}

impl Reply {
    /// 200.
    pub(crate) fn of(json: &impl Serialize) -> Result<Self, Failure> {
        let text = serde_json::to_string(json).map_err(Failure::internal)?;
        Ok(Self { text, location: None })
    }

    /// 201, and where to find it.
    pub(crate) fn created(location: String, json: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self { location: Some(location), ..Self::of(json)? })
    }

    pub(crate) fn to_kept(&self) -> Result<Box<RawValue>, Failure> {
        let text = Cow::from(self.text.as_str());
        let kept = match &self.location {
            None => Kept::Text(text),
            Some(location) => Kept::Created { text, location: location.as_str().into() },
        };
        to_raw_value(&kept).map_err(Failure::internal)
    }

    pub(crate) fn from_kept(kept: &str) -> Result<Self, Failure> {
        Ok(match serde_json::from_str(kept).map_err(Failure::internal)? {
            Kept::Text(text) => Self { text: text.into_owned(), location: None },
            Kept::Created { text, location } => {
                Self { text: text.into_owned(), location: Some(location.into_owned()) }
            }
        })
    }

    /// This reply to a command that was carried out, or the first one if it had been carried out before.
    pub(crate) fn to<A>(self, executed: &Executed<A>) -> Result<Written, Failure> {
        let reply = match executed {
            Executed::Done { .. } => self,
            Executed::Repeated { response, .. } => Self::from_kept(response.get())?,
        };
        Ok(reply.written_at(executed.position()))
    }

    pub(crate) const fn written_at(self, position: Option<Position>) -> Written {
        Written { reply: self, position }
    }
}

/// An answer that says where on the log it was written, if there was anything to write.
pub(crate) struct Written {
    reply: Reply,
    position: Option<Position>,
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = ([(header::CONTENT_TYPE, json)], self.reply.text).into_response();
        if let Some(location) = self.reply.location {
            *response.status_mut() = StatusCode::CREATED;
            // Made of our own path and an id: always a header's value.
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        if let Some(position) = self.position {
            response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.0));
        }
        response
    }
}
