//! A subscriber of external statuses, as the Slack bot is one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Broker, Inbox, Message};

/// What the bot decodes; unlike the bot, this accepts nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub class_name: String,
    pub status_type: String,
    pub as_of: DateTime<Utc>,
    pub status_info_id: i32,
    pub worker_id: Option<i32>,
    pub game_server_instance_id: Option<i32>,
}

/// Worker and instance id: one of the two.
type Entity = (Option<i32>, Option<i32>);

/// Reads every status and checks what holds for all of them.
pub struct Subscriber {
    inbox: Inbox,
    seen: Vec<Status>,
    /// How much of `seen` was asked for, per entity: its statuses have an order, those of different ones have none.
    claimed: HashMap<Entity, usize>,
}

impl Subscriber {
    pub async fn subscribe(broker: &Broker) -> Self {
        let bindings = [
            ("external_service_events", "worker.*.status"),
            ("external_service_events", "game_server_instance.*.status"),
        ];
        let inbox = Inbox::open(broker, "fcm-dev.manman.generic.status", false, &bindings).await;
        Self { inbox, seen: Vec::new(), claimed: HashMap::new() }
    }

    /// The next time a worker has this status.
    pub async fn worker(&mut self, id: i32, status: &str) -> Status {
        self.next((Some(id), None), status).await
    }

    /// The next time an instance has this status.
    pub async fn instance(&mut self, id: i32, status: &str) -> Status {
        self.next((None, Some(id)), status).await
    }

    /// What a worker went through, as far as it was read.
    pub fn of_worker(&self, id: i32) -> Vec<&str> {
        self.of((Some(id), None))
    }

    /// What an instance went through, as far as it was read.
    pub fn of_instance(&self, id: i32) -> Vec<&str> {
        self.of((None, Some(id)))
    }

    fn of(&self, entity: Entity) -> Vec<&str> {
        let its = self.seen.iter().filter(|status| status.entity() == entity);
        its.map(|status| status.status_type.as_str()).collect()
    }

    async fn next(&mut self, entity: Entity, status: &str) -> Status {
        let mut place = self.claimed.get(&entity).copied().unwrap_or_default();
        loop {
            if place == self.seen.len() {
                let message = self.inbox.next(&format!("{entity:?} {status}")).await;
                self.read(&message);
            }
            let found = &self.seen[place];
            place += 1;
            if found.entity() == entity && found.status_type == status {
                self.claimed.insert(entity, place);
                return found.clone();
            }
        }
    }

    fn read(&mut self, message: &Message) {
        let status: Status = serde_json::from_str(&message.body).unwrap();
        let key = match status.entity() {
            (Some(id), None) => format!("worker.{id}.status"),
            (None, Some(id)) => format!("game_server_instance.{id}.status"),
            both_or_none => panic!("{both_or_none:?}"),
        };
        assert_eq!(message.routing_key, key);
        assert!(status.status_info_id > 0, "{status:?}");
        for before in &self.seen {
            assert_ne!(before.status_info_id, status.status_info_id);
            if before.entity() == status.entity() {
                assert!(before.as_of < status.as_of, "{before:?} then {status:?}");
            }
        }
        self.seen.push(status);
    }
}

impl Status {
    fn entity(&self) -> Entity {
        (self.worker_id, self.game_server_instance_id)
    }
}
