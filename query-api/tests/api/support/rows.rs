//! Rows of the read models, with good defaults.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Database;

/// So many seconds after 2026-01-02T03:04:05.678901Z.
pub fn at(seconds: i64) -> DateTime<Utc> {
    let zero: DateTime<Utc> = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    zero + TimeDelta::seconds(seconds)
}

pub struct NewWorker {
    pub id: i32,
    pub surface: &'static str,
    pub name: Option<&'static str>,
    pub created: DateTime<Utc>,
    pub end: Option<DateTime<Utc>>,
    pub status: Option<&'static str>,
    pub status_class: &'static str,
}

impl Default for NewWorker {
    fn default() -> Self {
        Self {
            id: 1,
            surface: "v1",
            name: None,
            created: at(0),
            end: None,
            status: Some("RUNNING"),
            status_class: "worker",
        }
    }
}

pub struct NewInstance {
    pub id: i32,
    pub config_id: i32,
    pub game_server_id: i32,
    pub worker_id: i32,
    pub created: DateTime<Utc>,
    pub end: Option<DateTime<Utc>>,
    pub status: Option<&'static str>,
    pub has_crashed: bool,
}

impl Default for NewInstance {
    fn default() -> Self {
        Self {
            id: 1,
            config_id: 1,
            game_server_id: 1,
            worker_id: 1,
            created: at(10),
            end: None,
            status: Some("RUNNING"),
            has_crashed: false,
        }
    }
}

pub struct NewRequest {
    pub id: u128,
    pub worker_id: i32,
    pub kind: &'static str,
    pub config_id: Option<i32>,
    pub requested: DateTime<Utc>,
    pub outcome: &'static str,
}

impl Default for NewRequest {
    fn default() -> Self {
        Self {
            id: 1,
            worker_id: 1,
            kind: "start",
            config_id: Some(1),
            requested: at(30),
            outcome: "pending",
        }
    }
}

impl Database {
    pub async fn worker(&self, worker: NewWorker) {
        sqlx::query(
            "INSERT INTO read_models.workers
                    (worker_id, surface, name, created_date, end_date, end_cause, status,
                     status_as_of, status_class, status_info_id, position)
             SELECT $1, $2, $3, $4, $5, CASE WHEN $5 IS NOT NULL THEN 'shutdown' END, $6,
                    CASE WHEN $6 IS NOT NULL THEN $4 + interval '1 second' END, $7,
                    100 + $1, 200 + $1",
        )
        .bind(worker.id)
        .bind(worker.surface)
        .bind(worker.name)
        .bind(worker.created)
        .bind(worker.end)
        .bind(worker.status)
        .bind(worker.status_class)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    pub async fn instance(&self, instance: NewInstance) {
        sqlx::query(
            "INSERT INTO read_models.game_server_instances
                    (game_server_instance_id, game_server_config_id, game_server_id, worker_id,
                     created_date, end_date, end_cause, status, status_as_of, status_class, status_info_id,
                     has_crashed, created_position, position)
             SELECT $1, $2, $3, $4, $5, $6, CASE WHEN $6 IS NOT NULL THEN 'shutdown' END, $7,
                    CASE WHEN $7 IS NOT NULL THEN $5 + interval '1 second' END,
                    'game_server_instance',
                    300 + $1, $8, 200 + $1, 400 + $1",
        )
        .bind(instance.id)
        .bind(instance.config_id)
        .bind(instance.game_server_id)
        .bind(instance.worker_id)
        .bind(instance.created)
        .bind(instance.end)
        .bind(instance.status)
        .bind(instance.has_crashed)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    pub async fn request(&self, request: NewRequest) {
        sqlx::query(
            "INSERT INTO read_models.worker_requests
                    (request_id, worker_id, kind, game_server_config_id, requested_at, requested_by,
                     request_event_id, deadline, outcome, position)
             SELECT $1, $2, $3, $4, $5, 'user:ada', $1, $5 + interval '1 minute', $6,
                    extract(epoch FROM $5)::bigint",
        )
        .bind(Uuid::from_u128(request.id))
        .bind(request.worker_id)
        .bind(request.kind)
        .bind(request.config_id)
        .bind(request.requested)
        .bind(request.outcome)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    pub async fn heartbeat(&self, entity: &str, id: i32, at: DateTime<Utc>) {
        sqlx::query(
            "INSERT INTO heartbeats (entity, entity_id, last_heartbeat_at) VALUES ($1, $2, $3)",
        )
        .bind(entity)
        .bind(id)
        .bind(at)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Two game servers of which one is not from Steam, three configs of which one is hidden, and
    /// commands for them.
    pub async fn catalogue(&self) {
        self.execute(include_str!("catalogue.sql")).await;
    }
}
