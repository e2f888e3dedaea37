//! `Idempotency-Key`: a request that is sent again with the same key gets the first answer and changes nothing.
//!
//! The key names the command, together with method and path; the log keeps the answer in the statement that appends
//! the events, so there is never one without the other. A key used again for another body is refused.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use event_store::{Answer, Log};
use query_api::freshness::POSITION_HEADER;
use service::http::read_body;
use uuid::{Uuid, uuid};

use crate::CommandApi;
use crate::failure::Failure;
use crate::reply::{Reply, Written};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;

const COMMANDS: Uuid = uuid!("6f1f7a9c-1c6e-5f43-8f0e-2f5a0a1b9c11");
const BODIES: Uuid = uuid!("b7c8f6de-53f9-5a0c-b1b0-77f0a4b7d2c3");

/// What a client asked under a key of its own: an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The same for every request with this method, path and key.
    pub(crate) command_id: Uuid,
    /// Tells requests with one command id apart.
    fingerprint: String,
}

impl Asked {
    fn of(request: &Parts, key: &str, body: &[u8]) -> Self {
        // Nothing of these three has a line feed in it. Below a prefix, the path is the one without it.
        let (method, path) = (&request.method, request.uri.path());
        let command = format!("{method}\n{path}\n{key}");
        let body = Uuid::new_v5(&BODIES, body);
        Self {
            command_id: Uuid::new_v5(&COMMANDS, command.as_bytes()),
            fingerprint: format!("{method} {path} {body}"),
        }
    }

    /// What the log is to keep.
    pub(crate) fn answered_with(&self, reply: &Reply) -> Result<Answer, Failure> {
        Ok(Answer { fingerprint: self.fingerprint.clone(), response: reply.to_kept()? })
    }

    async fn first_answer(&self, log: &Log) -> Result<Option<Written>, Failure> {
        let Some(first) = log.answer_to(self.command_id).await.map_err(Failure::database)? else {
            return Ok(None);
        };
        if first.fingerprint != self.fingerprint {
            return Err(Failure::KeyReused);
        }
        let reply = Reply::from_kept(&first.response)?;
        Ok(Some(reply.written_at(Some(first.position))))
    }
}

/// Around every command; `E` is how its surface tells failures. Costs nothing where there is no key.
pub(crate) async fn answer_once<E: From<Failure>>(
    State(api): State<Arc<CommandApi>>,
    request: Request,
    next: Next,
) -> Result<Response, E> {
    Ok(only_once(&api, request, next).await?)
}

async fn only_once(api: &CommandApi, request: Request, next: Next) -> Result<Response, Failure> {
    let Some(key) = key(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let log = &api.store.log;
    let (mut parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let asked = Asked::of(&parts, &key, &body);
    if let Some(first) = asked.first_answer(log).await? {
        return Ok(first.into_response());
    }
    parts.extensions.insert(asked.clone());
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if response.headers().contains_key(POSITION_HEADER) {
        return Ok(response);
    }
    // This one wrote nothing, maybe because its twin was faster: then the twin's answer is the answer.
    let first = asked.first_answer(log).await?;
    Ok(first.map_or(response, IntoResponse::into_response))
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut keys = headers.get_all(KEY).iter();
    let (first, second) = (keys.next(), keys.next());
    let Some(key) = first else { return Ok(None) };
    let is_visible = |key: &[u8]| key.iter().all(u8::is_ascii_graphic);
    let fits = (1..=LONGEST_KEY).contains(&key.len()) && is_visible(key.as_bytes());
    match key.to_str() {
        Ok(key) if fits && second.is_none() => Ok(Some(key.to_owned())),
        _ => Err(Failure::UnfitKey),
    }
}
