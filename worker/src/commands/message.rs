//! A message of the command queue.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use messaging::contract::time::parse_instant;
use messaging::{Delivery, names};
use uuid::Uuid;

use super::asked::{self, Asked, Unreadable};
use crate::api::PendingCommand;

/// Of the ids made from the message ids that are no UUIDs themselves.
const MESSAGE_IDS: Uuid = Uuid::from_u128(0x6f1c_9a52_7d0e_4b8b_9d0a_3c41_e7b2_58f6);

/// What a message or the log's list says of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// What repetitions are known by: the request's id, or the message's. None for an old sender, who gives neither.
    pub(super) id: Option<Uuid>,
    /// The request in the log, to which its outcome belongs.
    pub(super) command_id: Option<Uuid>,
    /// After this it counts as timed out.
    pub(super) deadline: Option<DateTime<Utc>>,
    /// What it asks for.
    pub(super) asked: Result<Asked, Unreadable>,
}

impl Request {
    pub(super) fn in_message(delivery: &Delivery) -> Self {
        Self::read(&delivery.headers, delivery.message_id.as_deref(), &delivery.body)
    }

    pub(super) fn in_list(pending: &PendingCommand) -> Self {
        Self {
            id: Some(pending.command_id),
            command_id: Some(pending.command_id),
            deadline: pending.deadline,
            asked: Asked::in_list(pending),
        }
    }

    fn read(headers: &BTreeMap<String, String>, message_id: Option<&str>, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).map(|text| text.trim());
        let request_id = header(names::REQUEST_ID_HEADER).map(Uuid::parse_str).transpose();
        let instance_id = header(names::INSTANCE_ID_HEADER).map(asked::id).transpose();
        let deadline = header(names::DEADLINE_HEADER)
            .map(|text| parse_instant(text).ok_or("no instant"))
            .transpose();
        let malformed = |name: &str, error: &dyn std::fmt::Display| {
            Unreadable::Header(format!("{name}: {error}"))
        };
        let asked = if let Err(error) = &request_id {
            Err(malformed(names::REQUEST_ID_HEADER, error))
        } else if let Err(error) = &deadline {
            Err(malformed(names::DEADLINE_HEADER, error))
        } else {
            instance_id
                .map_err(|error| malformed(names::INSTANCE_ID_HEADER, &error))
                .and_then(|instance_id| Asked::in_message(body, instance_id))
        };
        let command_id = request_id.ok().flatten();
        Self {
            id: command_id.or_else(|| message_id.map(known_by)),
            command_id,
            deadline: deadline.ok().flatten(),
            asked,
        }
    }
}

fn known_by(message_id: &str) -> Uuid {
    Uuid::parse_str(message_id)
        .unwrap_or_else(|_| Uuid::new_v5(&MESSAGE_IDS, message_id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "0198c0de-0000-7000-8000-000000000001";
    const EVENT: &str = "0198c0de-0000-7000-8000-000000000002";
    const STDIN: &[u8] = br#"{"command_type":"STDIN","command_args":["7","say","hi"]}"#;

    fn read(headers: &[(&str, &str)], message_id: Option<&str>) -> Request {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request::read(&headers, message_id, STDIN)
    }

    #[test]
    fn the_headers_say_which_request_by_when_and_which_instance() {
        let request = read(
            &[
                (names::REQUEST_ID_HEADER, REQUEST),
                (names::DEADLINE_HEADER, "2026-01-02T03:04:05.5Z"),
                (names::INSTANCE_ID_HEADER, "12"),
            ],
            Some(EVENT),
        );
        assert_eq!(request.command_id, Some(Uuid::parse_str(REQUEST).unwrap()));
        assert_eq!(request.id, request.command_id);
        assert_eq!(request.deadline, parse_instant("2026-01-02T03:04:05.5Z"));
        let line = "say hi".to_owned();
        assert_eq!(request.asked, Ok(Asked::Stdin { config_id: 7, instance_id: Some(12), line }));
    }

    #[test]
    fn without_a_request_a_message_is_known_by_its_own_id_whatever_that_looks_like() {
        let by_uuid = read(&[], Some(EVENT));
        assert_eq!((by_uuid.id, by_uuid.command_id), (Uuid::parse_str(EVENT).ok(), None));
        let by_text = read(&[], Some("4711")).id;
        assert!(by_text.is_some());
        assert_eq!(by_text, read(&[], Some("4711")).id);
        assert_ne!(by_text, read(&[], Some("4712")).id);
        assert_eq!(read(&[], None).id, None);
    }

    #[test]
    fn a_malformed_header_is_a_reason_not_to_act() {
        for (header, value) in [
            (names::REQUEST_ID_HEADER, "one"),
            (names::DEADLINE_HEADER, "soon"),
            (names::INSTANCE_ID_HEADER, "-1"),
        ] {
            let unreadable = read(&[(header, value)], Some(EVENT)).asked.unwrap_err();
            assert!(unreadable.to_string().contains(header), "{unreadable}");
        }
    }
}
