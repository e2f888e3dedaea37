//! One command through all processes: what became of its events, at debug level, with the correlation id
//! that the request, the append and the message have, too.

use event_store::RecordedEvent;
use serde::Deserialize;
use tracing::debug;
use tracing::level_filters::LevelFilter;
use uuid::Uuid;

#[derive(Deserialize)]
struct Correlation {
    correlation_id: Uuid,
}

/// Tells of each event what became of it, if anybody listens.
pub(crate) fn became<'e>(what: &'static str, events: impl IntoIterator<Item = &'e RecordedEvent>) {
    if LevelFilter::current() < LevelFilter::DEBUG {
        return;
    }
    for event in events {
        let correlation = serde_json::from_str::<Correlation>(&event.metadata);
        let correlation_id = correlation.map(|found| found.correlation_id).unwrap_or_default();
        debug!(
            %correlation_id,
            event_id = %event.event_id,
            position = event.position.0,
            event_type = event.event_type,
            entity = format_args!("{}/{}", event.aggregate_type, event.aggregate_id),
            "{what}"
        );
    }
}
