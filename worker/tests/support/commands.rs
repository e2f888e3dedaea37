//! A host whose agent takes commands: a stand-in for the API with its log, a relay, and agents one after the other.

#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use messaging::contract::{Command as Body, EntityType};
use messaging::{Broker, BrokerConfig, Outgoing, Published, Publisher, QueueSpec, Topology, names};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;
use worker::api::Api;
use worker::commands::{Command, Commands};
use worker::reports::Reports;

use super::broker::{self, V1Client, now, soon};

pub const WORKER: i32 = 6;

/// The API's side: what is pending, and what was reported.
#[derive(Default)]
pub struct Log {
    pending: Mutex<Vec<Value>>,
    outcomes: watch::Sender<Vec<(Uuid, Value)>>,
    /// How often the list was asked for.
    asked: watch::Sender<u32>,
    /// While set, nobody gets the list.
    held: watch::Sender<bool>,
    /// While set, no outcome is taken.
    outcomes_held: watch::Sender<bool>,
}

impl Log {
    pub fn add(&self, command: Value) {
        self.pending.lock().unwrap().push(command);
    }

    pub fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    pub fn hold_outcomes(&self, hold: bool) {
        self.outcomes_held.send_replace(hold);
    }

    /// Returns once the list was asked for this often.
    pub async fn asked(&self, times: u32) {
        let mut asked = self.asked.subscribe();
        soon("the list is asked for", asked.wait_for(|asked| *asked >= times)).await.unwrap();
    }

    pub fn times_asked(&self) -> u32 {
        *self.asked.borrow()
    }

    /// How a command ended, as reported: word and reason.
    pub async fn outcome(&self, command_id: Uuid) -> (String, Option<String>) {
        let mut outcomes = self.outcomes.subscribe();
        let reported =
            |outcomes: &Vec<(Uuid, Value)>| outcomes.iter().any(|(id, _)| *id == command_id);
        let outcomes = soon("an outcome", outcomes.wait_for(reported)).await.unwrap();
        let (_, body) = outcomes.iter().find(|(id, _)| *id == command_id).unwrap();
        (body["outcome"].as_str().unwrap().to_owned(), body["reason"].as_str().map(str::to_owned))
    }

    pub fn outcomes_of(&self, command_id: Uuid) -> usize {
        self.outcomes.borrow().iter().filter(|(id, _)| *id == command_id).count()
    }

    async fn serve(self: Arc<Self>) -> Api {
        let router = Router::new()
            .route("/v1/workers/{worker_id}/commands", get(list))
            .route("/v1/workers/{worker_id}/commands/{command_id}/outcome", put(resolve))
            .with_state(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Api::try_new(&format!("http://{address}"), true).unwrap()
    }
}

async fn list(State(log): State<Arc<Log>>, Path(worker_id): Path<i32>) -> Json<Value> {
    assert_eq!(worker_id, WORKER);
    log.asked.send_modify(|asked| *asked += 1);
    // As they are now: what is added while the answer is held is not in it.
    let commands = log.pending.lock().unwrap().clone();
    log.held.subscribe().wait_for(|held| !held).await.unwrap();
    Json(json!({"commands": commands, "next": null}))
}

async fn resolve(
    State(log): State<Arc<Log>>,
    Path((_, command_id)): Path<(i32, Uuid)>,
    Json(body): Json<Value>,
) -> StatusCode {
    log.outcomes_held.subscribe().wait_for(|held| !held).await.unwrap();
    let pending = |command: &Value| command["command_id"] != json!(command_id);
    log.pending.lock().unwrap().retain(pending);
    log.outcomes.send_modify(|outcomes| outcomes.push((command_id, body)));
    StatusCode::NO_CONTENT
}

/// A command as the log's list has it.
pub fn listed(command_id: Uuid, kind: &str, config_id: Option<i32>, words: &[&str]) -> Value {
    json!({
        "command_id": command_id, "worker_id": WORKER.to_string(), "kind": kind,
        "game_server_config_id": config_id.map(|id| id.to_string()),
        "game_server_instance_id": null, "words": words,
        "requested_at": now(), "requested_by": {"kind": "user", "id": "anna"}, "deadline": null,
        "outcome": "pending", "reason": null, "resolved_at": null,
    })
}

/// A message to the worker.
pub struct Message {
    pub body: Vec<u8>,
    pub message_id: String,
    pub headers: BTreeMap<String, String>,
}

/// A message as the relay sends it, with the id of its request.
pub fn message(body: &Body) -> (Uuid, Message) {
    let command_id = Uuid::now_v7();
    (command_id, again(command_id, body))
}

/// A message of this request.
pub fn again(command_id: Uuid, body: &Body) -> Message {
    raw(Some(command_id), &serde_json::to_string(body).unwrap())
}

pub fn raw(command_id: Option<Uuid>, body: &str) -> Message {
    let request = command_id.map(|id| (names::REQUEST_ID_HEADER.to_owned(), id.to_string()));
    Message {
        body: body.as_bytes().to_vec(),
        message_id: Uuid::now_v7().to_string(),
        headers: request.into_iter().collect(),
    }
}

impl Message {
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A host and what it talks to.
pub struct Host {
    pub topology: Topology,
    pub log: Arc<Log>,
    pub directory: TempDir,
    api: Api,
    relay: tokio::sync::Mutex<Publisher>,
}

impl Host {
    pub async fn new(topology: Topology) -> Self {
        let log = Arc::new(Log::default());
        let relay = Publisher::new(Broker::new("test.relay", broker::config()), topology.clone());
        Self {
            api: Arc::clone(&log).serve().await,
            topology,
            log,
            directory: TempDir::new().unwrap(),
            relay: tokio::sync::Mutex::new(relay),
        }
    }

    pub fn queue(&self) -> QueueSpec {
        self.topology.command_queue(EntityType::Worker, WORKER)
    }

    pub fn journal(&self) -> PathBuf {
        self.directory.path().join("commands")
    }

    /// How many reports are in the spool.
    pub fn spooled(&self) -> usize {
        let files = std::fs::read_dir(self.directory.path().join("spool")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(|letter: char| letter.is_ascii_digit())).count()
    }

    /// An agent that subscribes; the host's broker is where it usually is.
    pub async fn agent(&self) -> Agent {
        let agent = self.agent_at(broker::config());
        soon("the agent is connected", agent.link.connected()).await;
        agent
    }

    pub fn agent_at(&self, config: BrokerConfig) -> Agent {
        let link = Broker::new("test.commands", config.clone());
        let spool = self.directory.path().join("spool");
        let (reports, delivery) = Reports::open(
            spool,
            self.api.clone(),
            Broker::new("test.reports", config),
            self.topology.clone(),
        )
        .unwrap();
        let stop = CancellationToken::new();
        let commands = Commands::open(
            self.journal(),
            self.api.clone(),
            reports,
            link.clone(),
            self.topology.clone(),
            WORKER,
            stop.clone(),
        )
        .unwrap();
        let delivering = tokio::spawn(delivery.run(CancellationToken::new()));
        let _delivering = AbortOnDropHandle::new(delivering);
        // What the test is about calls for the list by itself.
        let commands = commands.listing_every(std::time::Duration::from_secs(3_600));
        Agent { commands, stop, link, _delivering }
    }

    /// Publishes as the relay does: the queue is there, or made before.
    pub async fn send(&self, messages: impl IntoIterator<Item = &Message>) {
        let batch: Vec<_> = messages.into_iter().map(|message| self.outgoing(message)).collect();
        let mut relay = self.relay.lock().await;
        relay.declare_queue(&self.queue()).await.unwrap();
        let published = relay.publish(&batch).await.unwrap();
        assert!(published.iter().all(|published| *published == Published::Routed));
    }

    fn outgoing(&self, message: &Message) -> Outgoing {
        Outgoing {
            exchange: self.topology.internal_exchange(),
            routing_key: names::command_key(EntityType::Worker, WORKER),
            body: message.body.clone(),
            message_id: message.message_id.clone(),
            kind: "command".to_owned(),
            timestamp: now(),
            headers: message.headers.clone(),
            persistent: true,
            mandatory: true,
        }
    }

    /// Returns once this many messages are in the queue, handed to nobody.
    pub async fn waiting(&self, count: u32) {
        let v1 = V1Client::connect().await;
        soon("the queue has that many messages", async {
            while v1.waiting(&self.queue().name).await.ok() != Some(count) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// One agent's life.
pub struct Agent {
    pub commands: Commands,
    pub stop: CancellationToken,
    pub link: Broker,
    _delivering: AbortOnDropHandle<()>,
}

impl Agent {
    pub async fn next(&mut self) -> Command {
        soon("a command", self.commands.next()).await.expect("not stopped")
    }
}

/// Runs a test with a host of its own, and leaves nothing on the broker.
pub async fn with_host<F: Future<Output = ()>>(test: impl FnOnce(Arc<Host>) -> F) {
    broker::with_topology(|topology| async move {
        let host = Arc::new(Host::new(topology).await);
        test(Arc::clone(&host)).await;
        V1Client::connect().await.delete(&host.queue().name).await;
    })
    .await;
}
