//! A dead letter, and the messages an operator makes of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lapin::message::BasicGetMessage;

use crate::{
    Outgoing,
    contract::time::{format_instant, parse_instant},
    headers, names,
};

type Headers = BTreeMap<String, String>;

/// Who decided what becomes of a dead letter. Kept with the message for as long as there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Who.
    pub actor: String,
    /// Why, where a reason was given.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A message that was given up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it; made up where the message had none.
    pub message_id: String,
    /// Why it was given up on.
    pub reason: String,
    /// The queue it was consumed from.
    pub queue: String,
    /// The exchange it first came through.
    pub exchange: String,
    /// The routing key it first had.
    pub routing_key: String,
    /// When it was first received, if that was noted.
    pub first_seen: Option<DateTime<Utc>>,
    /// How often it was tried in all.
    pub attempts: u32,
    /// The AMQP `type`; empty if it had none.
    pub kind: String,
    /// The body, unread.
    pub body: Vec<u8>,
    /// Who last had it tried again, in vain.
    pub retried: Option<Decision>,
    /// Who decided not to.
    pub skipped: Option<Decision>,
}

/// The headers in which a decision is kept.
struct DecisionHeaders {
    actor: &'static str,
    at: &'static str,
    reason: &'static str,
}

const RETRIED: DecisionHeaders = DecisionHeaders {
    actor: names::RETRIED_BY_HEADER,
    at: names::RETRIED_AT_HEADER,
    reason: names::RETRY_REASON_HEADER,
};
const SKIPPED: DecisionHeaders = DecisionHeaders {
    actor: names::SKIPPED_BY_HEADER,
    at: names::SKIPPED_AT_HEADER,
    reason: names::SKIP_REASON_HEADER,
};

impl Decision {
    /// The decision by which a message is tried again, if it was a dead letter.
    #[must_use]
    pub fn to_retry(headers: &BTreeMap<String, String>) -> Option<Self> {
        Self::read(headers, &RETRIED)
    }

    fn read(headers: &Headers, kept_in: &DecisionHeaders) -> Option<Self> {
        Some(Self {
            actor: headers.get(kept_in.actor)?.clone(),
            reason: headers.get(kept_in.reason).cloned(),
            at: parse_instant(headers.get(kept_in.at)?)?,
        })
    }

    /// In place of an earlier one, reason included.
    fn write(&self, headers: &mut Headers, kept_in: &DecisionHeaders) {
        headers.insert(kept_in.actor.to_owned(), self.actor.clone());
        headers.insert(kept_in.at.to_owned(), format_instant(self.at));
        headers.remove(kept_in.reason);
        let reason = self.reason.iter().map(|reason| (kept_in.reason.to_owned(), reason.clone()));
        headers.extend(reason);
    }
}

/// A message of one of our queues as what it is, and all its headers.
pub(super) fn read(message: &BasicGetMessage) -> (DeadLetter, Headers) {
    let properties = &message.properties;
    let headers = properties.headers().as_ref().map(headers::from_table).unwrap_or_default();
    let text = |header: &str| headers.get(header).cloned().unwrap_or_default();
    let letter = DeadLetter {
        message_id: properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: text(names::REASON_HEADER),
        queue: text(names::QUEUE_HEADER),
        exchange: text(names::EXCHANGE_HEADER),
        routing_key: text(names::ROUTING_KEY_HEADER),
        first_seen: parse_instant(&text(names::FIRST_SEEN_HEADER)),
        attempts: text(names::ATTEMPTS_HEADER).parse().unwrap_or_default(),
        kind: properties.kind().as_ref().map(ToString::to_string).unwrap_or_default(),
        body: message.data.clone(),
        retried: Decision::read(&headers, &RETRIED),
        skipped: Decision::read(&headers, &SKIPPED),
    };
    (letter, headers)
}

impl DeadLetter {
    /// The message that tries it again; `None` when it is not known where it came from.
    pub(super) fn again(&self, mut headers: Headers, decision: &Decision) -> Option<Outgoing> {
        // A new failure brings its own reason.
        headers.remove(names::REASON_HEADER);
        decision.write(&mut headers, &RETRIED);
        (!self.queue.is_empty()).then(|| self.to_queue(&self.queue, headers))
    }

    /// The message that is kept and not tried again.
    pub(super) fn aside(&self, queue: &str, mut headers: Headers, decision: &Decision) -> Outgoing {
        decision.write(&mut headers, &SKIPPED);
        self.to_queue(queue, headers)
    }

    fn to_queue(&self, queue: &str, headers: Headers) -> Outgoing {
        Outgoing {
            exchange: String::new(),
            routing_key: queue.to_owned(),
            body: self.body.clone(),
            message_id: self.message_id.clone(),
            kind: self.kind.clone(),
            timestamp: self.first_seen.unwrap_or_default(),
            headers,
            persistent: true,
            mandatory: true,
        }
    }
}
