//! An unmodified v1 worker, as far as others can tell: its calls, its bodies, its queue.

use chrono::{SecondsFormat, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Answer, Api, Broker, Inbox, Message};

const EXCHANGE: &str = "internal_service_events";

/// How often it shows a sign of life; v1 does so every two seconds.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_millis(500);

/// How its HTTP client writes bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    /// With a Content-Type, and with all keys.
    Final,
    /// Without one, only known keys, below `/workerdal`.
    Early,
}

/// A registered worker, its command queue consumed.
pub struct V1Worker {
    pub id: i32,
    dal: Api,
    generation: Generation,
    created_date: String,
    commands: Inbox,
    hearts: JoinSet<()>,
}

impl V1Worker {
    /// Does what a worker of today does when it starts, in its order.
    pub async fn start(dal: &Api, broker: &Broker) -> Self {
        Self::start_as(Generation::Final, dal.clone(), broker).await
    }

    /// The same with an earlier generation's client.
    pub async fn start_early(dal: &Api, broker: &Broker) -> Self {
        Self::start_as(Generation::Early, dal.below("/workerdal"), broker).await
    }

    async fn start_as(generation: Generation, dal: Api, broker: &Broker) -> Self {
        let created = dal.post("/worker/create").await.ok();
        let id = i32::try_from(created["worker_id"].as_i64().unwrap()).unwrap();
        let created_date = created["created_date"].as_str().unwrap().to_owned();
        assert_eq!(created, json!({"worker_id": id, "created_date": created_date}));
        let others = worker(generation, id, &created_date);
        let closed = send(generation, &dal, Method::PUT, "/worker/shutdown/other", &others).await;
        assert_eq!(closed.ok(), Value::Null);
        let commands = open_commands(broker, id).await;
        let worker = Self { id, dal, generation, created_date, commands, hearts: JoinSet::new() };
        for status in ["CREATED", "INITIALIZING", "RUNNING"] {
            worker.report(status).await;
        }
        worker
    }

    /// The object it got when it was created, which it sends back ever after.
    pub fn object(&self) -> Value {
        worker(self.generation, self.id, &self.created_date)
    }

    /// Begins to send heartbeats of its own, and goes on until [`falls_silent`](Self::falls_silent).
    pub fn beats(&mut self) {
        let (generation, dal, body) = (self.generation, self.dal.clone(), self.object());
        self.hearts.spawn(async move {
            loop {
                send(generation, &dal, Method::POST, "/worker/heartbeat", &body).await;
                tokio::time::sleep(HEARTBEAT).await;
            }
        });
    }

    /// Begins to send heartbeats of an instance too.
    pub fn beats_for(&mut self, instance: i32) {
        let dal = self.dal.clone();
        self.hearts.spawn(async move {
            loop {
                dal.post(&format!("/server/instance/heartbeat/{instance}")).await;
                tokio::time::sleep(HEARTBEAT).await;
            }
        });
    }

    /// Nothing is heard of it or its instances any more.
    pub async fn falls_silent(&mut self) {
        self.hearts.shutdown().await;
    }

    pub async fn heartbeat(&self) -> Answer {
        self.send(Method::POST, "/worker/heartbeat", &self.object()).await
    }

    pub async fn shut_down(&self) -> Answer {
        self.send(Method::PUT, "/worker/shutdown", &self.object()).await
    }

    /// Asks for an instance with the placeholder id 0.
    pub async fn create_instance(&self, config: i32) -> Answer {
        self.send(Method::POST, "/server/instance/create", &self.instance(0, config)).await
    }

    pub async fn shut_down_instance(&self, id: i32, config: i32) -> Answer {
        self.send(Method::PUT, "/server/instance/shutdown", &self.instance(id, config)).await
    }

    /// Creates an instance and reports it running, as after a START.
    pub async fn run_instance(&self, config: i32) -> i32 {
        let created = self.create_instance(config).await.ok();
        let id = i32::try_from(created["game_server_instance_id"].as_i64().unwrap()).unwrap();
        for status in ["CREATED", "INITIALIZING", "RUNNING"] {
            self.report_instance(id, status).await;
        }
        id
    }

    pub async fn report(&self, status: &str) {
        self.publish("worker", self.id, status).await;
    }

    pub async fn report_instance(&self, id: i32, status: &str) {
        self.publish("game_server_instance", id, status).await;
    }

    /// Publishes anything at all.
    pub async fn publish_raw(&self, routing_key: &str, body: &str) {
        self.commands.publish(EXCHANGE, routing_key, body).await;
    }

    /// The next command from its queue.
    pub async fn next_command(&mut self) -> Message {
        self.commands.next(&format!("a command for worker {}", self.id)).await
    }

    /// The next command, or `None` when the broker is gone.
    pub async fn try_next_command(&mut self) -> Option<Message> {
        self.commands.try_next().await
    }

    /// Declares and consumes its queue anew.
    pub async fn reconnect(&mut self, broker: &Broker) {
        self.commands = open_commands(broker, self.id).await;
    }

    async fn publish(&self, entity: &str, id: i32, status: &str) {
        let as_of = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false);
        let body = json!({
            "entity_type": entity, "identifier": id.to_string(), "as_of": as_of, "status_type": status,
        });
        self.publish_raw(&format!("{entity}.{id}.status"), &body.to_string()).await;
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(self.generation, &self.dal, method, path, body).await
    }

    fn instance(&self, id: i32, config: i32) -> Value {
        match self.generation {
            Generation::Final => json!({
                "game_server_instance_id": id, "game_server_config_id": config, "worker_id": self.id,
                "end_date": null, "last_heartbeat": null,
            }),
            Generation::Early if id == 0 => {
                json!({"game_server_config_id": config, "worker_id": self.id})
            }
            Generation::Early => json!({
                "game_server_instance_id": id, "game_server_config_id": config, "worker_id": self.id,
            }),
        }
    }
}

fn worker(generation: Generation, id: i32, created_date: &str) -> Value {
    match generation {
        Generation::Final => json!({
            "worker_id": id, "created_date": created_date, "end_date": null, "last_heartbeat": null,
        }),
        Generation::Early => json!({"worker_id": id, "created_date": created_date}),
    }
}

async fn send(
    generation: Generation,
    dal: &Api,
    method: Method,
    path: &str,
    body: &Value,
) -> Answer {
    match generation {
        Generation::Final => dal.send_json(method, path, body).await,
        Generation::Early => dal.send_untyped(method, path, body).await,
    }
}

async fn open_commands(broker: &Broker, id: i32) -> Inbox {
    let (queue, key) = (format!("dev-queue-name-WORKER-{id}"), format!("worker.{id}.command"));
    Inbox::open(broker, &queue, true, &[(EXCHANGE, &key)]).await
}
