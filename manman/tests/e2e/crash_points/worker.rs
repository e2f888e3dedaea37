//! A v1 worker that does what it is told, once, and tells everything about it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ledger::{Command, Ledger};
use crate::support::{Api, Broker, Reporter, V1Worker, eventually};

/// So many instances begin and end side by side.
const HANDS: usize = 4;
const HEARTBEAT: Duration = Duration::from_millis(500);

/// The worker, at work until it is dropped.
pub struct Worker {
    pub id: i32,
    received: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

/// What it works with.
struct Tools {
    worker: i32,
    dal: Api,
    reporter: Reporter,
    ledger: Arc<Ledger>,
    hands: Semaphore,
}

impl Worker {
    pub async fn start(dal: &Api, broker: &Broker, ledger: &Arc<Ledger>) -> Self {
        let worker = V1Worker::start(dal, broker).await;
        let (id, object) = (worker.id, worker.object());
        let tools = Tools {
            worker: id,
            dal: dal.clone(),
            reporter: Reporter::connect(broker).await,
            ledger: Arc::clone(ledger),
            hands: Semaphore::new(HANDS),
        };
        let received = Arc::<Mutex<Vec<String>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(beat(dal.clone(), object));
        tasks.spawn(obey(worker, Arc::new(tools), Arc::clone(&received)));
        Self { id, received, tasks }
    }

    /// Waits until it has done all it was told, and returns the ids of the messages it got, repetitions included.
    pub async fn finish(mut self, ledger: &Ledger) -> Vec<String> {
        eventually("every start is carried out", async || {
            assert!(self.tasks.try_join_next().is_none(), "the worker gave up");
            ledger.count("StartRequested") == ledger.count("InstanceClosed")
        })
        .await;
        self.received.lock().unwrap().clone()
    }
}

async fn beat(dal: Api, object: Value) {
    loop {
        dal.try_send_json(Method::POST, "/worker/heartbeat", &[], &object).await;
        tokio::time::sleep(HEARTBEAT).await;
    }
}

async fn obey(mut worker: V1Worker, tools: Arc<Tools>, received: Arc<Mutex<Vec<String>>>) {
    let (mut known, mut works) = (HashSet::new(), JoinSet::new());
    loop {
        let command = worker.try_next_command().await.expect("the broker is there");
        let message_id = command.message_id.unwrap();
        received.lock().unwrap().push(message_id.clone());
        if known.insert(message_id.clone()) {
            let tools = Arc::clone(&tools);
            works.spawn(async move { tools.run_an_instance(&message_id).await });
        }
        while let Some(done) = works.try_join_next() {
            done.unwrap();
        }
    }
}

impl Tools {
    /// From its creation to its end.
    async fn run_an_instance(&self, message_id: &str) {
        let _hand = self.hands.acquire().await.unwrap();
        let create = self.instance(Method::POST, "create", 0, message_id, "InstanceCreated");
        let created = self.ledger.ask(&self.dal, create).await.ok();
        let id = i32::try_from(created["game_server_instance_id"].as_i64().unwrap()).unwrap();
        for status in ["CREATED", "INITIALIZING", "RUNNING", "COMPLETE"] {
            self.ledger.report(&self.reporter, id, status).await;
        }
        let end = self.instance(Method::PUT, "shutdown", id, message_id, "InstanceClosed");
        self.ledger.ask(&self.dal, end).await;
    }

    fn instance(
        &self,
        method: Method,
        verb: &str,
        id: i32,
        message_id: &str,
        becomes: &'static str,
    ) -> Command {
        let worker_id = self.worker;
        Command {
            method,
            path: format!("/server/instance/{verb}"),
            body: json!({
                "game_server_instance_id": id, "game_server_config_id": 1, "worker_id": worker_id,
                "end_date": null, "last_heartbeat": null,
            }),
            key: format!("{verb}-{message_id}"),
            becomes,
        }
    }
}
