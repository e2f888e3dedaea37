//! How commands end, and that everybody can read it.

use serde_json::{Value, json};

use crate::support::{Host, Server, System, shown};

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_the_reason_and_a_stop_of_nothing_is_done() {
    let system = System::start().await;
    let host = Host::start(&system, "host-1").await;
    let worker_id = host.worker_id().unwrap();
    let runs = Server::demo(&system, "runs", json!({})).await;
    let rests = Server::demo(&system, "rests", json!({})).await;

    runs.start().await;
    let instance = runs.reaches("RUNNING").await;
    let started = runs.outcome(worker_id, "start", 1).await;
    assert_eq!(shown(&started), ("fulfilled", None));
    assert_eq!(started["game_server_instance_id"], instance["game_server_instance_id"]);
    runs.start().await;
    let again = runs.outcome(worker_id, "start", 2).await;
    let reason = format!("it runs already, as process {}", instance["pid"]);
    assert_eq!(shown(&again), ("refused", Some(reason.as_str())));
    rests.stop().await;
    let stopped = rests.outcome(worker_id, "stop", 1).await;
    assert_eq!(shown(&stopped), ("fulfilled", None));
    rests.type_line("say hello").await;
    let refused = rests.outcome(worker_id, "stdin", 1).await;
    let reason = format!("config {} does not run here", rests.config_id);
    assert_eq!(shown(&refused), ("refused", Some(reason.as_str())));
    assert!(host.pids_of(rests.config_id).is_empty());

    let path = format!("/v1/workers/{worker_id}/events?limit=1000");
    let history = system.status.get(&path).await.ok();
    for command in [&started, &again, &stopped, &refused] {
        is_told(&history, command);
    }
}

/// The event that ended a command says what the command shows, and that the agent said so.
fn is_told(history: &Value, command: &Value) {
    let events = history["events"].as_array().unwrap().iter();
    let mut ends = events.filter(|event| {
        event["payload"]["request_id"] == command["command_id"]
            && event["payload"]["resolved_at"].is_string()
    });
    let end = ends.next().expect("an end of the command");
    assert_eq!(ends.next(), None, "one end");
    let event_type = match command["outcome"].as_str().unwrap() {
        "fulfilled" => "RequestFulfilled",
        "refused" => "RequestRefused",
        outcome => panic!("{outcome}"),
    };
    assert_eq!(end["event_type"], event_type);
    assert_eq!(end["payload"]["reason"], command["reason"]);
    assert_eq!(end["actor"]["kind"], "agent");
}
