//! Upcasters: old event versions stay readable for ever.
//!
//! A changed event shape gets a new `event_version` and one entry here that turns the stored JSON
//! of the version before into the new one; its old JSON is kept as a sample that tests replay.

use cqrs_es::persist::{EventUpcaster, SemanticVersionEventUpcaster, SerializedEvent};
use serde_json::Value;

/// All upcasters of the domain, in the order in which they apply.
pub struct Upcasters(Vec<Box<dyn EventUpcaster>>);

/// The upcasters in force.
#[must_use]
pub fn upcasters() -> Upcasters {
    Upcasters(vec![
        // No worker closed before this had a name to give back.
        with_nothing_in("WorkerClosed", "2", "name"),
        with_nothing_in("InstanceStatusReported", "2", "detail"),
    ])
}

/// The version that got a field which the versions before say nothing of.
fn with_nothing_in(
    event_type: &'static str,
    event_version: &str,
    field: &'static str,
) -> Box<dyn EventUpcaster> {
    let upcast = move |mut old: Value| {
        if let Some(Value::Object(fields)) = old.get_mut(event_type) {
            fields.insert(field.to_owned(), Value::Null);
        }
        old
    };
    Box::new(SemanticVersionEventUpcaster::new(event_type, event_version, Box::new(upcast)))
}

impl Upcasters {
    /// Builds a set from single upcasters, oldest version first.
    #[must_use]
    pub fn new(upcasters: Vec<Box<dyn EventUpcaster>>) -> Self {
        Self(upcasters)
    }

    /// The boxed upcasters, as `cqrs-es` wants them.
    #[must_use]
    pub fn into_inner(self) -> Vec<Box<dyn EventUpcaster>> {
        self.0
    }

    /// The payload in its newest shape, or `None` when the stored text is that already.
    ///
    /// # Errors
    /// When an upcaster applies and the payload is not JSON.
    pub fn upcast(
        &self,
        event_type: &str,
        event_version: &str,
        payload: &str,
    ) -> Result<Option<Value>, serde_json::Error> {
        if !self.0.iter().any(|upcaster| upcaster.can_upcast(event_type, event_version)) {
            return Ok(None);
        }
        let stored = SerializedEvent::new(
            String::new(),
            0,
            String::new(),
            event_type.to_owned(),
            event_version.to_owned(),
            serde_json::from_str(payload)?,
            Value::Null,
        );
        let newest = self.0.iter().fold(stored, |event, upcaster| {
            if upcaster.can_upcast(&event.event_type, &event.event_version) {
                upcaster.upcast(event)
            } else {
                event
            }
        });
        Ok(Some(newest.payload))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A made-up event's life: version 2 split `from`, version 3 gave it a number.
    fn made_up() -> Upcasters {
        Upcasters::new(vec![
            Box::new(SemanticVersionEventUpcaster::new(
                "DoorOpened",
                "2",
                Box::new(|old| json!({ "room": old["from"], "number": null })),
            )),
            Box::new(SemanticVersionEventUpcaster::new(
                "DoorOpened",
                "3",
                Box::new(|old| json!({ "room": old["room"], "number": 1 })),
            )),
        ])
    }

    #[test]
    fn an_old_version_goes_through_every_version_since() {
        let newest = made_up().upcast("DoorOpened", "1", r#"{"from":"hall"}"#).unwrap();
        assert_eq!(newest, Some(json!({ "room": "hall", "number": 1 })));
    }

    #[test]
    fn a_version_in_between_skips_what_it_has_behind_it() {
        let payload = r#"{"room":"hall","number":null}"#;
        let newest = made_up().upcast("DoorOpened", "2", payload).unwrap();
        assert_eq!(newest, Some(json!({ "room": "hall", "number": 1 })));
    }

    #[test]
    fn the_newest_version_and_other_events_are_left_as_they_are() {
        for (event_type, version) in [("DoorOpened", "3"), ("DoorClosed", "1")] {
            // Not even parsed: this is what keeps replay fast.
            assert_eq!(made_up().upcast(event_type, version, "not JSON").unwrap(), None);
        }
    }

    #[test]
    fn an_old_payload_that_is_not_json_is_an_error() {
        assert!(made_up().upcast("DoorOpened", "1", "not JSON").is_err());
    }
}
