//! On whose behalf, why and because of what: what a request says of the commands it causes.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use chrono::{SubsecRound, Utc};
use domain::{Instant, WorkerId};
use event_store::{Actor, CommandContext};
use service::http::RequestId;
use uuid::{Uuid, uuid};

use crate::failure::Failure;
use crate::idempotency::Asked;
use crate::reply::Reply;

/// Who asks, as the client says: v1 has no authentication.
const ACTOR: HeaderName = HeaderName::from_static("manman-actor");
/// Why, in words.
const REASON: HeaderName = HeaderName::from_static("manman-reason");

/// More is no name.
const LONGEST_ACTOR: usize = 128;
/// A reason is stored with every event of the command; more is cut off.
const LONGEST_REASON: usize = 1_000;

/// Request ids that are no UUIDs become one in here, so that the same text is always the same correlation.
const REQUEST_IDS: Uuid = uuid!("0c53a7e5-0f0c-5d0b-9d3b-3c1b0f0b7a51");

/// What is known of a request beside what it asks for.
pub(crate) struct Caller {
    /// When it arrived, on our clock, as fine as PostgreSQL keeps it.
    pub(crate) at: Instant,
    /// The id of the command it stands for.
    pub(crate) command_id: Uuid,
    correlation_id: Uuid,
    actor: Option<String>,
    reason: Option<String>,
    asked: Option<Asked>,
}

impl Caller {
    /// The person or bot that asks.
    pub(crate) fn user(&self) -> Actor {
        Actor::user(self.actor.as_deref().unwrap_or("anonymous"))
    }

    /// For a command whose answer needs not be kept.
    pub(crate) fn context(&self, actor: Actor) -> CommandContext {
        CommandContext {
            correlation_id: self.correlation_id,
            reason: self.reason.clone(),
            ..CommandContext::new(actor, self.command_id)
        }
    }

    /// For a command that is answered with `reply`: kept when the client chose the command's id.
    pub(crate) fn answering(&self, actor: Actor, reply: &Reply) -> Result<CommandContext, Failure> {
        let answer = self.asked.as_ref().map(|asked| asked.answered_with(reply)).transpose()?;
        Ok(CommandContext { answer, ..self.context(actor) })
    }
}

/// The agent of a worker.
pub(crate) fn agent(worker_id: WorkerId) -> Actor {
    Actor::agent(format!("worker/{worker_id}"))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let request_id = RequestId::from_request_parts(parts, state).await?;
        let asked = parts.extensions.get::<Asked>().cloned();
        Ok(Self {
            at: Utc::now().trunc_subsecs(6),
            command_id: asked.as_ref().map_or_else(Uuid::now_v7, |asked| asked.command_id),
            correlation_id: correlation_id(request_id.as_str()),
            actor: actor(&parts.headers),
            reason: reason(&parts.headers),
            asked,
        })
    }
}

fn correlation_id(request_id: &str) -> Uuid {
    Uuid::try_parse(request_id)
        .unwrap_or_else(|_| Uuid::new_v5(&REQUEST_IDS, request_id.as_bytes()))
}

/// A name that is not fit to be shown is none.
fn actor(headers: &HeaderMap) -> Option<String> {
    let name = std::str::from_utf8(headers.get(ACTOR)?.as_bytes()).ok()?.trim();
    let is_sane =
        (1..=LONGEST_ACTOR).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    is_sane.then(|| name.to_owned())
}

/// A command is not refused for how its reason is written: what cannot be shown is left out.
fn reason(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(REASON)?.as_bytes());
    let text: String =
        text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use uuid::Uuid;

    use super::{ACTOR, REASON, actor, correlation_id, reason};

    fn headers(name: HeaderName, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn a_request_id_that_is_a_uuid_is_the_correlation_id() {
        let id = Uuid::now_v7();
        assert_eq!(correlation_id(&id.to_string()), id);
    }

    #[test]
    fn another_request_id_is_always_the_same_correlation_id() {
        assert_eq!(correlation_id("trace-1"), correlation_id("trace-1"));
        assert_ne!(correlation_id("trace-1"), correlation_id("trace-2"));
    }

    #[test]
    fn an_actor_is_a_short_printable_name() {
        assert_eq!(actor(&headers(ACTOR, b" Zo\xc3\xab ")).unwrap(), "Zoë");
        assert_eq!(actor(&headers(ACTOR, &[b'a'; 128])).unwrap().len(), 128);
        for unfit in [&[b'a'; 129][..], b"", b"a\tb", b"\xff", b"c\xc2\x851"] {
            assert_eq!(actor(&headers(ACTOR, unfit)), None, "{unfit:?}");
        }
    }

    #[test]
    fn a_reason_is_cut_and_cleaned_rather_than_refused() {
        assert_eq!(reason(&headers(REASON, b"patch\tday")).unwrap(), "patchday");
        assert_eq!(reason(&headers(REASON, &[b'a'; 2_000])).unwrap().len(), 1_000);
        assert_eq!(reason(&headers(REASON, b"  ")), None);
    }
}
