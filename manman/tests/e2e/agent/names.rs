//! A name is one worker, and one agent at a time is it.

use futures::future::join_all;
use serde_json::json;

use crate::support::{Host, Server, System, eventually, id_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_is_kept_out_while_the_first_one_lives_and_takes_over_when_it_is_silent() {
    let system = System::start().await;
    let mut first = Host::start(&system, "host-1").await;
    let worker_id = first.worker_id().unwrap();
    let server = Server::demo(&system, "demo", json!({})).await;
    server.start().await;
    let instance = server.reaches("RUNNING").await;
    let mut second = Host::new(&system, "host-1");
    both_are_refused(&first, &second).await;

    // As a host does that is frozen, or cut off from the network.
    first.agent().signal("STOP").await;
    has_status(&system, worker_id, "LOST").await;
    second.register().await;
    assert_eq!(second.worker_id(), Some(worker_id), "the same worker, by its name");
    let ended = server.reaches("CRASHED").await;
    assert_eq!(id_of(&ended), id_of(&instance));
    assert_eq!(ended["reason"], "its agent has no record of it");
    assert!(ended["ended_at"].is_string(), "{ended}");

    the_first_comes_back(&system, &mut first, &second).await;
    assert_eq!(first.pids_of(server.config_id).len(), 1, "its game servers run on");
    let refused = first.agent_is_refused().await;
    assert!(refused.contains("the name \"host-1\" is taken"), "{refused}");
    has_status(&system, worker_id, "RUNNING").await;
}

async fn both_are_refused(first: &Host, second: &Host) {
    let elsewhere = second.agent_is_refused().await;
    for words in ["the name \"host-1\" is taken", "MANMAN_WORKER_NAME", "stop that agent"] {
        assert!(elsewhere.contains(words), "{elsewhere}");
    }
    let in_the_same_directory = first.agent_is_refused().await;
    let process = first.agent().id();
    let state = first.state("");
    let words = format!("another agent (process {process}) is at work in {}", state.display());
    assert!(in_the_same_directory.contains(words.trim_end_matches('/')), "{in_the_same_directory}");
}

/// It gives up, and does nothing of what it was asked meanwhile: the second one does that.
async fn the_first_comes_back(system: &System, first: &mut Host, second: &Host) {
    let before = first.running();
    let mut servers = Vec::new();
    for name in ["a", "b", "c", "d"] {
        servers.push(Server::demo(system, name, json!({})).await);
    }
    join_all(servers.iter().map(Server::start)).await;
    // The broker knows both of them, and hands out by turns.
    eventually("the second agent has some", async || !second.running().is_empty()).await;
    first.agent().signal("CONT").await;
    let agent = first.take_agent();
    let told = "manman: another agent has taken this worker over";
    eventually("the first agent is told", async || {
        agent.said().iter().any(|line| line.starts_with(told))
    })
    .await;
    assert_eq!(agent.ends().await.code(), Some(1));
    assert_eq!(first.running(), before);
    join_all(servers.iter().map(|server| server.reaches("RUNNING"))).await;
    assert_eq!(second.running().len(), servers.len());
    let began: Vec<_> = system.database.instances().await.iter().map(|it| it.config_id).collect();
    let of_all =
        before.iter().map(|game| game.config_id).chain(servers.iter().map(|it| it.config_id));
    assert!(of_all.clone().all(|config_id| began.contains(&config_id)), "{began:?}");
    assert_eq!(began.len(), of_all.count(), "each once: {began:?}");
}

async fn has_status(system: &System, worker_id: i32, status: &str) {
    let path = format!("/v1/workers/{worker_id}");
    eventually(&format!("worker {worker_id} is {status}"), async || {
        system.status.get(&path).await.ok()["status"] == status
    })
    .await;
}
