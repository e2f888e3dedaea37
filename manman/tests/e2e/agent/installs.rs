//! Installs that do not go through at once.

use std::fs;

use serde_json::json;

use crate::support::{Host, Server, System, demo, eventually, shown};

#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_two_agents_left_half_done_is_finished_by_the_third() {
    let system = System::start().await;
    let mut host = Host::new(&system, "host-1");
    let book = host.directory.join("book");
    // Not ended by a pipe that nobody reads: SteamCMD prints seldom.
    let steamcmd = format!(
        "#!/bin/sh\necho begin >>{book}\n{} \"$@\"\nstatus=$?\nsleep 1\necho end >>{book}\nexit $status\n",
        demo("demo-steamcmd").display(),
        book = book.display(),
    );
    let steamcmd = host.script("steamcmd.sh", &steamcmd);
    host.set("STEAMCMD_EXECUTABLE", steamcmd.to_str().unwrap());
    host.set("DEMO_STEAMCMD_SECONDS", "20");
    host.register().await;
    let worker_id = host.worker_id().unwrap();
    let server = Server::steam(&system, "slow", 480, json!({})).await;
    server.start().await;
    let instance = server.comes_to("downloading").await;

    let agent = host.take_agent();
    agent.signal("TERM").await;
    assert!(agent.ends().await.success());
    assert!(host.processes().is_empty(), "nobody installs beside the next agent");
    host.start_agent();
    let lines =
        || fs::read_to_string(&book).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    eventually("the second agent installs", async || lines().len() == 2).await;
    host.kill9_agent().await;

    host.set("DEMO_STEAMCMD_SECONDS", "0.3");
    host.start_agent();
    let running = server.reaches("RUNNING").await;
    assert_eq!(running["game_server_instance_id"], instance["game_server_instance_id"]);
    // The first was ended, the second was left behind: the third began after that.
    assert_eq!(lines(), ["begin", "begin", "end", "begin", "end"]);
    let start = server.outcome(worker_id, "start", 1).await;
    assert_eq!(start["outcome"], "fulfilled", "{start}");
    assert_eq!(start["game_server_instance_id"], instance["game_server_instance_id"]);
    eventually("a supervisor and its game server are all there is", async || {
        host.processes().len() == 2
    })
    .await;
    let fulfilled = "SELECT count(*) FROM events WHERE event_type = 'RequestFulfilled'";
    assert_eq!(system.database.value::<i64>(fulfilled).await, 1);
    let created = "SELECT count(*) FROM events WHERE event_type = 'InstanceCreated'";
    assert_eq!(system.database.value::<i64>(created).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_the_install_ends_it() {
    let system = System::start().await;
    let mut host = Host::new(&system, "host-1");
    host.set("DEMO_STEAMCMD_SECONDS", "20");
    host.register().await;
    let worker_id = host.worker_id().unwrap();
    let server = Server::steam(&system, "slow", 480, json!({})).await;
    server.start().await;
    server.comes_to("downloading").await;
    server.start().await;
    let second = server.outcome(worker_id, "start", 2).await;
    assert_eq!(shown(&second), ("refused", Some("it is being started already")));
    server.type_line("say hello").await;
    let stdin = server.outcome(worker_id, "stdin", 1).await;
    let reason = "it is still being installed and has no console";
    assert_eq!(shown(&stdin), ("refused", Some(reason)));

    server.stop().await;
    let stopped = server.reaches("COMPLETE").await;
    assert_eq!(stopped["reason"], "stopped before it ran");
    assert_eq!(stopped["end_cause"], "shutdown");
    let start = server.outcome(worker_id, "start", 1).await;
    assert_eq!(shown(&start), ("failed", Some("stopped before it ran")));
    let stop = server.outcome(worker_id, "stop", 1).await;
    assert_eq!(shown(&stop), ("fulfilled", None));
    assert!(host.processes().is_empty());
}
