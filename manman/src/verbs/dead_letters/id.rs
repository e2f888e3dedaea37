//! How an operator names a parked event: `workers@1234`, or `relay@1234`.

use std::fmt;

use event_store::{ParkedEvent, Position};
use projectors::PROJECTIONS;

/// Before the names of projections in the names of their checkpoints.
const PROJECTOR: &str = "projector.";
/// Before those in the names of the checkpoints of rebuilds.
const REBUILD: &str = "rebuild.";
const RELAY: &str = "relay";

/// A place on the log, of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedId {
    /// The name of the subscription's checkpoint.
    pub subscription: String,
    pub position: Position,
}

impl ParkedId {
    /// `None` for what is not the name of a parked event, and so that of a message.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, position) = text.rsplit_once('@')?;
        let position = Position(position.parse().ok().filter(|position| *position > 0)?);
        let is_projection = |name| PROJECTIONS.iter().any(|projection| projection.name == name);
        let subscription = if is_projection(name) {
            format!("{PROJECTOR}{name}")
        } else if name == RELAY || name.strip_prefix(REBUILD).is_some_and(is_projection) {
            name.to_owned()
        } else {
            return None;
        };
        Some(Self { subscription, position })
    }

    pub fn of(event: &ParkedEvent) -> Self {
        Self { subscription: event.subscription.clone(), position: event.position }
    }

    /// Another event that is parked for the same subscription.
    pub fn at(&self, position: Position) -> Self {
        Self { subscription: self.subscription.clone(), position }
    }
}

impl fmt::Display for ParkedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.subscription.strip_prefix(PROJECTOR).unwrap_or(&self.subscription);
        write!(f, "{name}@{}", self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::ParkedId;

    #[test]
    fn a_parked_event_is_named_after_its_projection_and_its_place_on_the_log() {
        for (text, subscription) in [
            ("workers@1234", "projector.workers"),
            ("relay@17", "relay"),
            ("rebuild.catalogue@1", "rebuild.catalogue"),
        ] {
            let id = ParkedId::parse(text).unwrap();
            assert_eq!((id.subscription.as_str(), id.to_string().as_str()), (subscription, text));
        }
    }

    #[test]
    fn anything_else_is_a_message_id() {
        for text in [
            "",
            "17",
            "018f0000-0000-7000-8000-000000000001",
            "weather@17",
            "relay@",
            "relay@0",
            "relay@-1",
            "anna@example.org",
            "workers@1.5",
        ] {
            assert_eq!(ParkedId::parse(text), None, "{text}");
        }
    }
}
