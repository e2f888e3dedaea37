//! The same command message again and again: it acts once.

use std::collections::{HashMap, HashSet};

use lapin::BasicProperties;
use lapin::types::FieldTable;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Host, Inbox, Message, Server, System, eventually, shown};

const EXCHANGE: &str = "internal_service_events";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_delivered_again_and_again_acts_once_and_has_one_outcome() {
    let (system, mut host, mut commands, server) = prepared().await;
    let worker_id = host.worker_id().unwrap();

    server.start().await;
    let start = commands.first("the start").await;
    commands.again(&start, 3).await;
    server.reaches("RUNNING").await;
    server.type_line("say once").await;
    let line = commands.first("the line").await;
    commands.again(&line, 3).await;
    server.prints("once").await;
    commands.again(&start, 1).await;
    server.stop().await;
    let stop = commands.first("the stop").await;
    commands.again(&stop, 3).await;
    server.reaches("COMPLETE").await;
    for message in [&start, &line, &stop] {
        commands.again(message, 1).await;
    }
    nothing_runs_when_all_is_read(&host, &server, 2).await;
    // What was done is known to the next agent, too.
    host.kill9_agent().await;
    for message in [&start, &line, &stop] {
        commands.again(message, 1).await;
    }
    host.start_agent();
    nothing_runs_when_all_is_read(&host, &server, 3).await;

    assert_eq!(system.database.instances().await.len(), 1);
    assert_eq!(host.chats(), ["[chat] once"]);
    for (kind, number) in [("start", 1), ("stdin", 1), ("stop", 1)] {
        let outcome = server.outcome(worker_id, kind, number).await;
        assert_eq!(shown(&outcome), ("fulfilled", None), "{kind}");
    }
    every_command_has_one_outcome(&system, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_of_no_request_is_known_by_its_own_id() {
    let (system, mut host, commands, server) = prepared().await;
    let start = Message {
        routing_key: format!("worker.{}.command", host.worker_id().unwrap()),
        message_id: Some(Uuid::now_v7().to_string()),
        headers: FieldTable::default(),
        body: json!({"command_type": "START", "command_args": [server.config_id.to_string()]})
            .to_string(),
    };
    commands.again(&start, 3).await;
    server.reaches("RUNNING").await;
    commands.again(&start, 1).await;
    server.stop().await;
    server.reaches("COMPLETE").await;
    commands.again(&start, 1).await;
    nothing_runs_when_all_is_read(&host, &server, 1).await;
    host.kill9_agent().await;
    commands.again(&start, 1).await;
    host.start_agent();
    // What is sent before is lost with the old queue, and nothing has it written down.
    eventually("the agent consumes its queue", async || {
        host.agent().said().iter().any(|line| line.contains("subscribed"))
    })
    .await;
    nothing_runs_when_all_is_read(&host, &server, 2).await;
    assert_eq!(system.database.instances().await.len(), 1);
    every_command_has_one_outcome(&system, 3).await;

    // Another id is another command.
    let another = Message { message_id: Some("4711".to_owned()), ..start };
    commands.again(&another, 3).await;
    server.reaches("RUNNING").await;
    assert_eq!(system.database.instances().await.len(), 2);
}

/// A host, what goes to its worker, and something to start.
async fn prepared() -> (System, Host, Commands, Server) {
    let system = System::start().await;
    let host = Host::start(&system, "host-1").await;
    let bindings = [(EXCHANGE, "worker.*.command")];
    let copies = Inbox::open(&system.broker, "copies-of-commands", false, &bindings).await;
    let server = Server::demo(&system, "demo", json!({})).await;
    (system, host, Commands { copies, known: HashSet::new() }, server)
}

/// A copy of every message to a worker.
struct Commands {
    copies: Inbox,
    known: HashSet<Option<String>>,
}

impl Commands {
    /// The next message that is no repetition.
    async fn first(&mut self, what: &str) -> Message {
        loop {
            let message = self.copies.next(what).await;
            if self.known.insert(message.message_id.clone()) {
                return message;
            }
        }
    }

    /// Publishes a message as the relay does, so many times.
    async fn again(&self, message: &Message, times: usize) {
        let properties = BasicProperties::default()
            .with_message_id(message.message_id.as_deref().unwrap().into())
            .with_headers(message.headers.clone())
            .with_delivery_mode(2);
        for _ in 0..times {
            let (key, properties) = (&message.routing_key, properties.clone());
            self.copies.publish_with(EXCHANGE, key, &message.body, properties).await;
        }
    }
}

/// The queue is read in order: once the answer to this line is there, everything before it was read.
async fn nothing_runs_when_all_is_read(host: &Host, server: &Server, number: usize) {
    server.type_line("say late").await;
    let late = server.outcome(host.worker_id().unwrap(), "stdin", number).await;
    assert_eq!(late["outcome"], "refused", "{late}");
    assert_eq!(host.running(), []);
}

async fn every_command_has_one_outcome(system: &System, commands: usize) {
    let mut outcomes: HashMap<String, usize> = HashMap::new();
    for event in system.database.events("worker").await {
        if event.payload["resolved_at"].is_string() {
            *outcomes.entry(event.payload["request_id"].to_string()).or_default() += 1;
        }
    }
    assert_eq!(outcomes.len(), commands);
    assert!(outcomes.values().all(|count| *count == 1), "{outcomes:?}");
}
