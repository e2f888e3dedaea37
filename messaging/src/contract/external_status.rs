//! Statuses as subscribers receive them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{EntityType, StatusType, time};

/// A status for subscribers. They order by `as_of`, drop what does not strictly increase per
/// entity, and ignore what is older than five minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalStatusInfo {
    /// Who says so: the entity word, or `StatusEventProcessor` for a loss or recovery.
    pub class_name: String,
    /// The status.
    pub status_type: StatusType,
    /// Strictly increasing per entity.
    #[serde(with = "time::serde_instant")]
    pub as_of: DateTime<Utc>,
    /// The status's own id; v1 always sent the placeholder -1.
    pub status_info_id: i64,
    /// Set for a worker's status; `null`, never absent, otherwise.
    pub worker_id: Option<i32>,
    /// Set for an instance's status; `null`, never absent, otherwise.
    pub game_server_instance_id: Option<i32>,
}

impl ExternalStatusInfo {
    /// `class_name` of what the status processor found out by itself: loss and recovery.
    pub const PROCESSOR_CLASS: &'static str = "StatusEventProcessor";

    /// A status that the entity reported itself.
    #[must_use]
    pub fn reported(
        entity: EntityType,
        id: i32,
        status_type: StatusType,
        as_of: DateTime<Utc>,
        status_info_id: i64,
    ) -> Self {
        Self {
            class_name: entity.as_str().to_owned(),
            status_type,
            as_of,
            status_info_id,
            worker_id: (entity == EntityType::Worker).then_some(id),
            game_server_instance_id: (entity == EntityType::GameServerInstance).then_some(id),
        }
    }

    /// A status that the processor concluded: loss or recovery.
    #[must_use]
    pub fn concluded(
        entity: EntityType,
        id: i32,
        status_type: StatusType,
        as_of: DateTime<Utc>,
        status_info_id: i64,
    ) -> Self {
        Self {
            class_name: Self::PROCESSOR_CLASS.to_owned(),
            ..Self::reported(entity, id, status_type, as_of, status_info_id)
        }
    }

    /// Whom it is about; `None` unless exactly one of the two ids is set.
    #[must_use]
    pub fn about(&self) -> Option<(EntityType, i32)> {
        match (self.worker_id, self.game_server_instance_id) {
            (Some(id), None) => Some((EntityType::Worker, id)),
            (None, Some(id)) => Some((EntityType::GameServerInstance, id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"class_name":"worker","status_type":"RUNNING","as_of":"2026-01-02T03:04:05.088523+00:00","status_info_id":-1,"worker_id":6,"game_server_instance_id":null}"#;

    #[test]
    fn both_id_keys_are_always_present() {
        let as_of = time::parse_instant("2026-01-02T03:04:05.088523Z").unwrap();
        let status =
            ExternalStatusInfo::reported(EntityType::Worker, 6, StatusType::Running, as_of, -1);
        assert_eq!(serde_json::to_string(&status).unwrap(), SAMPLE);
        assert_eq!(serde_json::from_str::<ExternalStatusInfo>(SAMPLE).unwrap(), status);
    }

    #[test]
    fn a_concluded_status_names_the_processor() {
        let as_of = time::parse_instant("2026-01-02T03:04:05Z").unwrap();
        let status = ExternalStatusInfo::concluded(
            EntityType::GameServerInstance,
            12,
            StatusType::Lost,
            as_of,
            77,
        );
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#"{"class_name":"StatusEventProcessor","status_type":"LOST","as_of":"2026-01-02T03:04:05+00:00","status_info_id":77,"worker_id":null,"game_server_instance_id":12}"#
        );
        assert_eq!(status.about(), Some((EntityType::GameServerInstance, 12)));
    }
}
