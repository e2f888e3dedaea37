//! A v1 worker's whole life over the wire, and what others see of it.

mod arrival;
mod farewell;
mod game;
mod loss;
mod takeover;

use serde_json::Value;

use crate::support::{Api, Subscriber, System, V1Worker, eventually, found};

/// What every chapter needs.
struct Life {
    system: System,
    subscriber: Subscriber,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_v1_workers_whole_life() {
    let system = System::start().await;
    let subscriber = Subscriber::subscribe(&system.broker).await;
    let mut life = Life { system, subscriber };

    let mut worker = life.a_worker_arrives().await;
    life.what_does_not_exist_is_refused(&worker).await;
    life.a_game_is_started_talked_to_and_stopped(&mut worker).await;
    let instance = life.a_silent_worker_is_lost_and_recovers(&mut worker).await;
    let successor = life.another_worker_takes_over(&mut worker, instance).await;
    life.the_last_worker_says_goodbye(successor).await;

    let (_broker, database) = life.system.stop().await;
    database.rebuilt_equals_live().await;
}

impl Life {
    /// Waits until the current worker has a status, and returns its details.
    async fn current_worker_is(&self, status: &str) -> Value {
        shows(&self.system.experience, "/worker/status", "status_type", status).await
    }

    /// Waits until every request was answered by an outcome; returns kind and outcome in the order of asking.
    async fn outcomes(&self, worker: i32) -> Vec<String> {
        let path = format!("/status/workers/{worker}");
        eventually("no request is pending", async || {
            let worker = self.system.status.get(&path).await.ok();
            worker["pending_request_count"] == 0
                && worker["pending_requests"] == Value::Array(vec![])
        })
        .await;
        let query = "SELECT kind || ' ' || outcome FROM read_models.worker_requests
                      WHERE worker_id = $1 ORDER BY requested_at";
        let outcomes = sqlx::query_scalar(query).bind(worker);
        outcomes.fetch_all(&self.system.database.pool).await.unwrap()
    }
}

/// Waits until an object has a value.
async fn shows(api: &Api, path: &str, key: &str, value: &str) -> Value {
    found(&format!("{path} shows {value}"), async || {
        let answer = api.get(path).await;
        if !answer.status.is_success() {
            return None;
        }
        Some(answer.ok()).filter(|object| object[key] == value)
    })
    .await
}
