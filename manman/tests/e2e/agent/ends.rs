//! How a worker ends: first its game servers, then it, in v1's order.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Host, Inbox, Recorded, Server, System, found};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_interrupted_stops_its_game_servers_and_closes_the_worker() {
    let (system, host) = host().await;
    let (worker_id, ended) = the_worker_ends(&system, host, async |host| {
        host.agent().signal("INT").await;
    })
    .await;
    assert_eq!(ended["end_cause"], "shutdown");
    let asked = system.status.get(&format!("/v1/workers/{worker_id}/commands")).await.ok();
    assert!(asked["commands"].as_array().unwrap().iter().all(|command| command["kind"] == "start"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_shut_down_does_the_same_and_says_that_it_is_done() {
    let (system, host) = host().await;
    let (worker_id, _) = the_worker_ends(&system, host, async |_| {
        system.experience.post("/worker/shutdown").await.ok();
    })
    .await;
    let asked = system.status.get(&format!("/v1/workers/{worker_id}/commands")).await.ok();
    let last = asked["commands"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["kind"], &last["outcome"]), (&json!("shutdown"), &json!("fulfilled")));
}

async fn host() -> (System, Host) {
    let system = System::start().await;
    let host = Host::start(&system, "host-1").await;
    (system, host)
}

/// Has a worker with game servers end, and follows that on the wire. Returns it as it is shown afterwards.
async fn the_worker_ends(
    system: &System,
    mut host: Host,
    end: impl AsyncFnOnce(&Host),
) -> (i32, Value) {
    let worker_id = host.worker_id().unwrap();
    let mut servers = Vec::new();
    for (name, supervision) in [("line", json!({"stop_line": "quit"})), ("term", json!({}))] {
        servers.push(Server::demo(system, name, supervision).await);
    }
    join_all(servers.iter().map(Server::start)).await;
    join_all(servers.iter().map(|server| server.reaches("RUNNING"))).await;
    let exchange = "internal_service_events";
    let bindings = [(exchange, "worker.*.status"), (exchange, "game_server_instance.*.status")];
    let mut wire = Inbox::open(&system.broker, "test-statuses", true, &bindings).await;

    end(&host).await;
    assert!(host.take_agent().ends().await.success());
    assert!(host.processes().is_empty());
    let mut entities = Vec::new();
    while entities.last().is_none_or(|entity| entity != "worker") {
        let message = wire.next("a status on the wire").await;
        let status: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(status["status_type"], "COMPLETE", "{status}");
        entities.push(status["entity_type"].as_str().unwrap().to_owned());
    }
    assert_eq!(entities, ["game_server_instance", "game_server_instance", "worker"]);
    let path = format!("/v1/workers/{worker_id}");
    let ended = found("the worker is COMPLETE", async || {
        let worker = system.status.get(&path).await.ok();
        (worker["status"] == "COMPLETE").then_some(worker)
    })
    .await;
    it_was_recorded_in_order(system).await;

    let [line, term] = &servers[..] else { unreachable!("two servers") };
    let line = line.reaches("COMPLETE").await;
    assert_eq!(line["reason"], "exited with code 0; stopped as asked");
    assert_eq!(line["last_lines"].as_array().unwrap().last(), Some(&json!("saving world")));
    let term = term.reaches("COMPLETE").await;
    assert_eq!(term["reason"], "killed by signal 15 (SIGTERM); stopped as asked");
    assert!([line, term].iter().all(|instance| instance["end_cause"] == "shutdown"));
    (worker_id, ended)
}

/// The ends of the instances, the end of the worker, its last status.
async fn it_was_recorded_in_order(system: &System) {
    let of_workers = system.database.events("worker").await;
    let closed = of_workers.iter().position(|it| it.event_type == "WorkerClosed").unwrap();
    let is_last = |it: &Recorded| {
        it.event_type == "WorkerStatusReported" && it.payload["status"] == "COMPLETE"
    };
    assert!(of_workers[closed..].iter().any(is_last), "{of_workers:?}");
    let of_instances = system.database.events("game_server_instance").await;
    let ends: Vec<_> = of_instances.iter().filter(|it| it.event_type == "InstanceClosed").collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|it| it.position < of_workers[closed].position), "{ends:?}");
}
