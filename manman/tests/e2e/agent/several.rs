//! Several workers at once, of both surfaces.

use serde_json::json;

use crate::support::{Host, Server, System, V1Worker, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_the_newer_one_is_asked_and_the_older_one_while_that_is_lost() {
    let system = System::start().await;
    let older = Host::start(&system, "older").await;
    let mut newer = Host::start(&system, "newer").await;
    let [first, second] = [older.worker_id().unwrap(), newer.worker_id().unwrap()];
    assert!(first < second);
    let mut servers = Vec::new();
    for name in ["a", "b", "c"] {
        servers.push(Server::demo(&system, name, json!({})).await);
    }
    servers[0].start().await;
    let instance = servers[0].reaches("RUNNING").await;
    assert_eq!(instance["worker_id"], second.to_string());
    assert_eq!((older.running().len(), newer.running().len()), (0, 1));

    newer.kill9_agent().await;
    has_status(&system, second, "LOST").await;
    servers[1].start().await;
    let instance = servers[1].reaches("RUNNING").await;
    assert_eq!(instance["worker_id"], first.to_string());
    assert_eq!((older.running().len(), newer.running().len()), (1, 1));

    newer.start_agent();
    has_status(&system, second, "RUNNING").await;
    servers[2].start().await;
    servers[2].reaches("RUNNING").await;
    servers[0].stop().await;
    servers[0].reaches("COMPLETE").await;
    assert_eq!(newer.pids_of(servers[2].config_id).len(), 1);
    assert_eq!((older.running().len(), newer.running().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_agent_has_v1_workers_closed_and_no_others() {
    let system = System::start().await;
    let native = Host::start(&system, "native").await;
    let v1 = V1Worker::start(&system.dal, &system.broker).await;
    let is_open = async |worker_id: i32| {
        system.status.get(&format!("/v1/workers/{worker_id}")).await.ok()["ended_at"].is_null()
    };
    assert!(is_open(native.worker_id().unwrap()).await, "v1's workers close no native ones");
    let plain = Host::start(&system, "plain").await;
    assert!(is_open(v1.id).await, "not asked for");

    let mut exclusive = Host::new(&system, "exclusive");
    exclusive.set("MANMAN_WORKER_EXCLUSIVE", "true");
    exclusive.register().await;
    eventually("the v1 worker is closed", async || !is_open(v1.id).await).await;
    for host in [&native, &plain, &exclusive] {
        assert!(is_open(host.worker_id().unwrap()).await);
    }
}

async fn has_status(system: &System, worker_id: i32, status: &str) {
    let path = format!("/v1/workers/{worker_id}");
    eventually(&format!("worker {worker_id} is {status}"), async || {
        system.status.get(&path).await.ok()["status"] == status
    })
    .await;
}
