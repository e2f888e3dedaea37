//! Game servers outlive their agent, however it goes, and the next one takes them up.

use std::fs;
use std::path::PathBuf;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Host, Server, System, eventually, id_of};

/// Lives until a file appears, then exits with code 7.
const MORTAL: &str = "#!/bin/sh
while [ ! -e \"$1\" ]; do sleep 0.1; done
exit 7
";

#[tokio::test(flavor = "multi_thread")]
async fn game_servers_outlive_an_agent_that_is_killed() {
    game_servers_outlive_an_agent_that_gets("KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn game_servers_outlive_an_agent_that_leaves() {
    game_servers_outlive_an_agent_that_gets("TERM").await;
}

async fn game_servers_outlive_an_agent_that_gets(signal: &str) {
    let system = System::start().await;
    let mut host = Host::start(&system, "host-1").await;
    let worker_id = host.worker_id().unwrap();
    let (mortal, its_end) = mortal(&system, &host).await;
    let mut servers = vec![mortal.clone()];
    for name in ["a", "b", "c", "d"] {
        servers.push(Server::demo(&system, name, json!({"stop_line": "quit"})).await);
    }
    join_all(servers.iter().map(Server::start)).await;
    let instances = join_all(servers.iter().map(|server| server.reaches("RUNNING"))).await;
    let running = host.running();
    assert_eq!(running.len(), 5);

    let agent = host.take_agent();
    agent.signal(signal).await;
    assert_eq!(agent.ends().await.success(), signal == "TERM");
    assert_eq!(host.running(), running);
    fs::write(its_end, "").unwrap();
    eventually("one exits by itself", async || host.pids_of(mortal.config_id).is_empty()).await;

    host.start_agent();
    let crashed = mortal.reaches("CRASHED").await;
    assert_eq!(id_of(&crashed), id_of(&instances[0]));
    assert_eq!(
        (&crashed["exit_code"], &crashed["reason"]),
        (&json!(7), &json!("exited with code 7"))
    );
    let taken_up = servers.iter().zip(&instances).skip(1);
    join_all(taken_up.map(|(server, before)| is_taken_up(&host, server, before))).await;
    let path = format!("/v1/game-server-instances?worker_id={worker_id}");
    let all = system.status.get(&path).await.ok();
    assert_eq!(all["game_server_instances"].as_array().map(Vec::len), Some(5), "{all}");
    assert_eq!(host.worker_id(), Some(worker_id));
}

/// It runs on as the same instance, the same process, and its console works.
async fn is_taken_up(host: &Host, server: &Server, before: &Value) {
    let word = format!("still{}", server.config_id);
    server.type_line(&format!("say {word}")).await;
    server.prints(&word).await;
    let now = server.reaches("RUNNING").await;
    assert_eq!((id_of(&now), &now["pid"]), (id_of(before), &before["pid"]));
    assert_eq!(json!(host.pids_of(server.config_id)), json!([before["pid"]]));
    let stdin = server.outcome(host.worker_id().unwrap(), "stdin", 1).await;
    assert_eq!(stdin["outcome"], "fulfilled", "{stdin}");
}

/// A server, and the file that ends it.
async fn mortal(system: &System, host: &Host) -> (Server, PathBuf) {
    let program = host.script("mortal", MORTAL);
    let its_end = host.directory.join("its-end");
    let args = [its_end.to_str().unwrap()];
    (Server::local(system, "mortal", &program, &args, Value::Null).await, its_end)
}
