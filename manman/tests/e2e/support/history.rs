//! What the log has of game servers and of what was asked for.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::Database;

/// An event, as it is on the log.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub position: i64,
    /// The worker or instance it happened to.
    pub id: i32,
    pub event_type: String,
    pub payload: Value,
}

/// A status that was told of an instance.
#[derive(Debug, Clone, Deserialize)]
pub struct Told {
    pub status: String,
    pub as_of: DateTime<Utc>,
    /// `current`: it became the status shown.
    pub standing: String,
    pub detail: Option<Detail>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Detail {
    pub pid: Option<i32>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
}

/// Everything that happened to an instance, in the order of the log.
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: i32,
    pub config_id: i32,
    pub events: Vec<Recorded>,
}

impl Instance {
    /// The statuses its agent told.
    pub fn told(&self) -> Vec<Told> {
        let reports = self.events.iter().filter(|it| it.event_type == "InstanceStatusReported");
        reports.map(|it| serde_json::from_value(it.payload.clone()).unwrap()).collect()
    }

    /// How often something happened to it.
    pub fn count(&self, event_type: &str) -> usize {
        self.events.iter().filter(|it| it.event_type == event_type).count()
    }
}

impl Database {
    /// All that happened to workers, or to instances, in the order of the log.
    pub async fn events(&self, aggregate_type: &str) -> Vec<Recorded> {
        let query = "SELECT position, aggregate_id::int, event_type,
                            coalesce(payload -> event_type, payload)::text
                       FROM events WHERE aggregate_type = $1 ORDER BY position";
        let rows: Vec<(i64, i32, String, String)> =
            sqlx::query_as(query).bind(aggregate_type).fetch_all(&self.pool).await.unwrap();
        let recorded = |(position, id, event_type, payload): (_, _, _, String)| Recorded {
            position,
            id,
            event_type,
            payload: serde_json::from_str(&payload).unwrap(),
        };
        rows.into_iter().map(recorded).collect()
    }

    /// All instances, in the order in which they began.
    pub async fn instances(&self) -> Vec<Instance> {
        let mut instances: Vec<Instance> = Vec::new();
        for event in self.events("game_server_instance").await {
            if event.event_type == "InstanceCreated" {
                let config_id = event.payload["game_server_config_id"].as_i64().unwrap();
                let config_id = i32::try_from(config_id).unwrap();
                instances.push(Instance { id: event.id, config_id, events: Vec::new() });
            }
            let its = instances.iter_mut().find(|instance| instance.id == event.id).unwrap();
            its.events.push(event);
        }
        instances
    }
}
