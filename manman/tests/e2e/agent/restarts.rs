//! What follows the end of a game server, by its restart policy.

use serde_json::{Value, json};
use tokio::join;

use crate::support::{Host, Server, System, demo, id_of, shown};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_policy_decides_what_follows_the_end_of_a_game_server() {
    let system = System::start().await;
    let host = Host::start(&system, "host-1").await;
    let worker_id = host.worker_id().unwrap();
    join!(
        by_default_it_stays_down(&system, worker_id),
        on_failure_it_is_started_again_after_a_crash_but_not_after_a_stop(&system, worker_id),
        its_budget_comes_to_an_end(&system, worker_id),
        a_stop_during_the_back_off_calls_the_restart_off(&system, worker_id),
        always_it_is_started_again_after_a_clean_exit_too(&system),
    );
}

async fn by_default_it_stays_down(system: &System, worker_id: i32) {
    let server = Server::demo(system, "default", Value::Null).await;
    server.start().await;
    server.reaches("RUNNING").await;
    server.type_line("crash").await;
    let crashed = server.reaches("CRASHED").await;
    assert_eq!(crashed["reason"], "exited with code 3");
    let lines = crashed["last_lines"].to_string();
    assert!(lines.contains("attempt to divide by zero"), "{lines}");
    it_is_down(&server, worker_id, 2).await;
}

async fn on_failure_it_is_started_again_after_a_crash_but_not_after_a_stop(
    system: &System,
    worker_id: i32,
) {
    let supervision = json!({"restart": "on_failure", "restart_limit": 2});
    let server = Server::demo(system, "on failure", supervision).await;
    server.start().await;
    let first = server.reaches("RUNNING").await;
    server.type_line("crash").await;
    let second = server.reaches_anew(&first, "RUNNING").await;
    assert_ne!(first["pid"], second["pid"]);
    let crashed = system.status.get(&format!("/v1/game-server-instances/{}", id_of(&first))).await;
    let crashed = crashed.ok();
    let reason = "exited with code 3; starting it again in 1 s (1 of 2 in 600 s)";
    assert_eq!((&crashed["status"], &crashed["reason"]), (&json!("CRASHED"), &json!(reason)));
    server.stop().await;
    let stopped = server.reaches("COMPLETE").await;
    assert_eq!(id_of(&stopped), id_of(&second));
    it_is_down(&server, worker_id, 2).await;
}

async fn its_budget_comes_to_an_end(system: &System, worker_id: i32) {
    let supervision = json!({"restart": "on_failure", "restart_limit": 1});
    let args = ["--exit-after", "0", "--exit-code", "4"];
    let server = Server::local(system, "hopeless", &demo("demo-server"), &args, supervision).await;
    server.start().await;
    server
        .crashes_with("exited with code 4; not started again: 1 restarts in 600 s are used up")
        .await;
    it_is_down(&server, worker_id, 1).await;
}

async fn a_stop_during_the_back_off_calls_the_restart_off(system: &System, worker_id: i32) {
    let supervision = json!({"restart": "always"});
    let args = ["--exit-after", "0", "--exit-code", "5"];
    let server = Server::local(system, "paused", &demo("demo-server"), &args, supervision).await;
    server.start().await;
    // The wait doubles: the third is long enough to be sure of it.
    let reason = "exited with code 5; starting it again in 4 s (3 of 5 in 600 s)";
    let last = server.crashes_with(reason).await;
    server.stop().await;
    let stop = server.outcome(worker_id, "stop", 1).await;
    assert_eq!(shown(&stop), ("fulfilled", None));
    it_is_down(&server, worker_id, 1).await;
    assert_eq!(server.reaches("CRASHED").await, last);
}

async fn always_it_is_started_again_after_a_clean_exit_too(system: &System) {
    let server = Server::demo(system, "always", json!({"restart": "always"})).await;
    server.start().await;
    let first = server.reaches("RUNNING").await;
    server.type_line("quit").await;
    server.reaches_anew(&first, "RUNNING").await;
}

/// A line for its console, the `number`th, is refused with words that are not those of one that waits for its restart.
async fn it_is_down(server: &Server, worker_id: i32, number: usize) {
    server.type_line("say hello").await;
    let stdin = server.outcome(worker_id, "stdin", number).await;
    let reason = format!("config {} does not run here", server.config_id);
    assert_eq!(shown(&stdin), ("refused", Some(reason.as_str())));
}
