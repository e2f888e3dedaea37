//! What was given up on, of either kind, as it is shown.

use chrono::{DateTime, SecondsFormat, Utc};
use event_store::{ParkedEvent, ParkedHead, SkippedEvent};
use messaging::{DeadLetter, Decision};
use serde_json::{Value, json};

use super::id::ParkedId;

pub const HEADINGS: [&str; 8] =
    ["ID", "KIND", "ENTITY", "SINCE", "ATTEMPTS", "WAITING", "WHAT", "ERROR"];

/// A line of the list, and the document that says the same and more.
pub struct Entry {
    pub row: Vec<String>,
    pub document: Value,
}

impl Entry {
    pub fn of_letter(letter: &DeadLetter) -> Self {
        let entity = entity_of(&letter.routing_key);
        let document = json!({
            "kind": "broker",
            "id": letter.message_id,
            "entity": entity,
            "error": letter.reason,
            "attempts": letter.attempts,
            "since": letter.first_seen.map(iso),
            "waiting": 0,
            "queue": letter.queue,
            "exchange": letter.exchange,
            "routing_key": letter.routing_key,
            "type": letter.kind,
            "retried": letter.retried.as_ref().map(decided),
            "skipped": letter.skipped.as_ref().map(decided),
        });
        let error = match (&letter.skipped, &letter.retried) {
            (Some(skipped), _) => format!("{} (skipped by {})", letter.reason, who(skipped)),
            (None, Some(retried)) => format!("{} (retried by {})", letter.reason, who(retried)),
            (None, None) => letter.reason.clone(),
        };
        Self::new(document, &letter.routing_key, error)
    }

    pub fn of_head(head: &ParkedHead) -> Self {
        Self::of_parked(&head.event, head.waiting)
    }

    pub fn of_parked(event: &ParkedEvent, waiting: i64) -> Self {
        let mut error = event.error.clone().unwrap_or_else(|| "-".to_owned());
        if let Some(since) = event.retry_requested_at {
            error.push_str(&format!(" (to be tried again since {})", iso(since)));
        }
        let document = json!({
            "kind": "parked",
            "id": ParkedId::of(event).to_string(),
            "entity": format!("{}/{}", event.aggregate_type, event.aggregate_id),
            "error": event.error,
            "attempts": event.attempts,
            "since": iso(event.parked_at),
            "waiting": waiting,
            "subscription": event.subscription,
            "position": event.position,
            "event_id": event.event_id,
            "event_type": event.event_type,
            "last_failed_at": event.last_failed_at.map(iso),
            "retry_requested_at": event.retry_requested_at.map(iso),
            "skipped": null,
        });
        Self::new(document, &event.event_type, error)
    }

    pub fn of_skipped(skipped: &SkippedEvent) -> Self {
        let event = &skipped.event;
        let id = ParkedId { subscription: skipped.subscription.clone(), position: event.position };
        let decision = Decision {
            actor: skipped.decision.actor_id.clone(),
            reason: skipped.decision.reason.clone(),
            at: skipped.decided_at,
        };
        let document = json!({
            "kind": "parked",
            "id": id.to_string(),
            "entity": format!("{}/{}", event.aggregate_type, event.aggregate_id),
            "error": null,
            "attempts": null,
            "since": null,
            "waiting": 0,
            "subscription": skipped.subscription,
            "position": event.position,
            "event_id": event.event_id,
            "event_type": event.event_type,
            "last_failed_at": null,
            "retry_requested_at": null,
            "skipped": decided(&decision),
        });
        Self::new(document, &event.event_type, format!("skipped by {}", who(&decision)))
    }

    fn new(document: Value, what: &str, error: String) -> Self {
        let mut row: Vec<_> = ["id", "kind", "entity", "since", "attempts", "waiting"]
            .map(|column| match &document[column] {
                Value::Null => "-".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .to_vec();
        row.extend([what.to_owned(), error]);
        Self { row, document }
    }
}

/// The entity that a routing key such as `worker.6.status` is about.
fn entity_of(routing_key: &str) -> Option<String> {
    let (entity, rest) = routing_key.split_once('.')?;
    let (id, _) = rest.split_once('.')?;
    Some(format!("{entity}/{id}"))
}

pub fn decided(decision: &Decision) -> Value {
    json!({ "actor": decision.actor, "reason": decision.reason, "at": iso(decision.at) })
}

pub fn who(decision: &Decision) -> String {
    let reason = decision.reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
    format!("{} at {}{reason}", decision.actor, iso(decision.at))
}

pub fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::entity_of;

    #[test]
    fn a_routing_key_says_which_entity_a_message_is_about() {
        assert_eq!(entity_of("worker.6.status").as_deref(), Some("worker/6"));
        for none in ["", "worker", "worker.6"] {
            assert_eq!(entity_of(none), None);
        }
    }
}
