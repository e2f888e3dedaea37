//! Statuses as workers report them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EntityType, StatusDetail, StatusType, UnknownWord, time};

/// A status reported by a worker, about itself or one of its instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InternalStatusInfo {
    /// What it is about.
    pub entity_type: EntityType,
    /// The entity's id: a decimal number, but a string on the wire.
    pub identifier: String,
    /// The reporter's clock.
    #[serde(with = "time::serde_instant")]
    pub as_of: DateTime<Utc>,
    /// The status.
    pub status_type: StatusType,
    /// What a native worker tells with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<StatusDetail>,
}

/// Why a message on the status queue is no status. The text is what a dead letter carries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusRejection {
    /// The body is not JSON, or not UTF-8.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The body is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A key is absent.
    #[error("missing key {0}")]
    MissingKey(&'static str),
    /// A key's value is of another type; a numeric identifier is the usual case.
    #[error("{0} is not a string")]
    NotAString(&'static str),
    /// The identifier is not a decimal number of 32 bits.
    #[error("identifier {0:?} is not an id")]
    NotAnId(String),
    /// `as_of` is neither an ISO 8601 instant nor an epoch number.
    #[error("as_of {0} is not an instant")]
    NotAnInstant(String),
    /// `entity_type` or `status_type` is outside its vocabulary.
    #[error(transparent)]
    UnknownWord(#[from] UnknownWord),
}

impl InternalStatusInfo {
    /// A status of an entity, and nothing else.
    #[must_use]
    pub fn new(
        entity_type: EntityType,
        id: i32,
        as_of: DateTime<Utc>,
        status_type: StatusType,
    ) -> Self {
        Self { entity_type, identifier: id.to_string(), as_of, status_type, detail: None }
    }

    /// Reads a body. Unknown keys are ignored; of a repeated key the last counts. A detail that cannot
    /// be read is left out, with a warning: the status counts without it.
    ///
    /// # Errors
    /// The first thing wrong with it, in the order of the variants of [`StatusRejection`] and, for
    /// keys, in the order of the fields.
    pub fn parse(body: &[u8]) -> Result<Self, StatusRejection> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| StatusRejection::NotJson(error.to_string()))?;
        let Value::Object(object) = value else {
            return Err(StatusRejection::NotAnObject);
        };
        for key in ["entity_type", "identifier", "as_of", "status_type"] {
            if !object.contains_key(key) {
                return Err(StatusRejection::MissingKey(key));
            }
        }
        let status = Self {
            entity_type: string(&object, "entity_type")?.parse()?,
            identifier: string(&object, "identifier")?.to_owned(),
            as_of: instant(&object, "as_of")?,
            status_type: string(&object, "status_type")?.parse()?,
            detail: detail(&object),
        };
        status.id().map(|_| status)
    }

    /// The entity's id as a number.
    ///
    /// # Errors
    /// [`StatusRejection::NotAnId`]; never after [`parse`](Self::parse), which has checked it.
    pub fn id(&self) -> Result<i32, StatusRejection> {
        self.identifier
            .trim()
            .parse()
            .map_err(|_| StatusRejection::NotAnId(self.identifier.clone()))
    }
}

fn string<'a>(
    object: &'a Map<String, Value>,
    key: &'static str,
) -> Result<&'a str, StatusRejection> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(StatusRejection::NotAString(key)),
        None => Err(StatusRejection::MissingKey(key)),
    }
}

fn detail(object: &Map<String, Value>) -> Option<StatusDetail> {
    let value = object.get("detail").filter(|value| !value.is_null())?;
    match StatusDetail::deserialize(value) {
        Ok(detail) => Some(detail),
        Err(error) => {
            let identifier = object.get("identifier").map(ToString::to_string);
            tracing::warn!(identifier, %error, "detail of a status left out: it cannot be read");
            None
        }
    }
}

fn instant(
    object: &Map<String, Value>,
    key: &'static str,
) -> Result<DateTime<Utc>, StatusRejection> {
    let value = object.get(key).ok_or(StatusRejection::MissingKey(key))?;
    time::parse_value(value).ok_or_else(|| StatusRejection::NotAnInstant(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"entity_type":"game_server_instance","identifier":"12","as_of":"2026-01-02T03:04:05.989740+00:00","status_type":"CREATED"}"#;

    fn reason(body: &str) -> String {
        InternalStatusInfo::parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_status_is_written_as_it_was_read() {
        let status = InternalStatusInfo::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(status.entity_type, EntityType::GameServerInstance);
        assert_eq!(status.id(), Ok(12));
        assert_eq!(status.status_type, StatusType::Created);
        assert_eq!(serde_json::to_string(&status).unwrap(), SAMPLE);
        assert_eq!(
            InternalStatusInfo::new(status.entity_type, 12, status.as_of, status.status_type),
            status
        );
    }

    #[test]
    fn unknown_keys_are_ignored_and_an_early_worker_writes_z() {
        let body = r#"{"entity_type":"worker","identifier":"6","as_of":"2026-01-02T03:04:05Z","status_type":"LOST","exit_code":1}"#;
        let status = InternalStatusInfo::parse(body.as_bytes()).unwrap();
        assert_eq!(status.id(), Ok(6));
        assert_eq!(time::format_instant(status.as_of), "2026-01-02T03:04:05+00:00");
    }

    #[test]
    fn a_detail_is_read_with_the_status_and_written_where_there_is_one() {
        let body = SAMPLE.replace('}', r#","detail":{"pid":4711}}"#);
        let status = InternalStatusInfo::parse(body.as_bytes()).unwrap();
        assert_eq!(status.detail.as_ref().unwrap().pid, Some(4711));
        assert_eq!(serde_json::to_string(&status).unwrap(), body);
    }

    #[test]
    fn a_status_counts_without_a_detail_that_cannot_be_read() {
        for detail in ["null", "7", r#"{"pid":"x"}"#, r#"{"progress":{"percent":4e9}}"#] {
            let body = SAMPLE.replace('}', &format!(r#","detail":{detail}}}"#));
            let status = InternalStatusInfo::parse(body.as_bytes()).unwrap();
            assert_eq!((status.id(), status.detail), (Ok(12), None), "{detail}");
        }
    }

    #[test]
    fn a_rejection_says_what_is_wrong() {
        assert!(reason("hello").starts_with("not JSON: "), "{}", reason("hello"));
        assert!(reason("").starts_with("not JSON: "));
        assert_eq!(reason("[]"), "not a JSON object");
        assert_eq!(reason("{}"), "missing key entity_type");
        assert_eq!(reason(&SAMPLE.replace("as_of", "when")), "missing key as_of");
        assert_eq!(reason(&SAMPLE.replace(r#""12""#, "12")), "identifier is not a string");
        assert_eq!(
            reason(&SAMPLE.replace(r#""12""#, r#""twelve""#)),
            r#"identifier "twelve" is not an id"#
        );
        assert_eq!(
            reason(&SAMPLE.replace(r#""12""#, r#""2147483648""#)),
            r#"identifier "2147483648" is not an id"#
        );
        assert_eq!(reason(&SAMPLE.replace("CREATED", "FOO")), r#"unknown status_type "FOO""#);
        assert_eq!(
            reason(&SAMPLE.replace("game_server_instance", "WORKER")),
            r#"unknown entity_type "WORKER""#
        );
        assert_eq!(
            reason(&SAMPLE.replace("2026-01-02T03", "yesterday")),
            r#"as_of "yesterday:04:05.989740+00:00" is not an instant"#
        );
        assert_eq!(reason(&SAMPLE.replace(r#""CREATED""#, "null")), "status_type is not a string");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_not_json() {
        let rejection = InternalStatusInfo::parse(b"{\"entity_type\":\"\xff\"}").unwrap_err();
        assert!(matches!(rejection, StatusRejection::NotJson(_)), "{rejection}");
    }
}
