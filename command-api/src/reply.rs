//! Answers to commands: v1's JSON, and where its events stand on the log.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use event_store::{Executed, Position};
use query_api::freshness::POSITION_HEADER;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::failure::Failure;

/// The text of an answer. It is made before the command is carried out, because it is kept with its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply(String);

impl Reply {
    pub(crate) fn of(json: &impl Serialize) -> Result<Self, Failure> {
        serde_json::to_string(json).map(Self).map_err(Failure::internal)
    }

    /// As it is kept: a JSON text that contains the reply as a string, so that a retry gets the same bytes.
    pub(crate) fn to_kept(&self) -> Result<Box<RawValue>, Failure> {
        to_raw_value(&self.0).map_err(Failure::internal)
    }

    pub(crate) fn from_kept(kept: &str) -> Result<Self, Failure> {
        serde_json::from_str(kept).map(Self).map_err(Failure::internal)
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
        let mut response = ([(header::CONTENT_TYPE, json)], self.reply.0).into_response();
        if let Some(position) = self.position {
            response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.0));
        }
        response
    }
}
