//! The demo, as a newcomer meets it.

use serde_json::{Value, json};

use crate::support::{Broker, Database, Host, Up};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_up_with_a_demo_offers_to_try_works_as_printed_and_is_history_then() {
    let (database, broker) = (Database::create().await, Broker::start().await);
    let up = Up::start(&database, &broker, &["--demo"]).await;
    let [_, dal, status, _] = up.apis();
    let mut host = Host::beside(&dal, &broker, "host-1");
    host.register().await;

    let answers = up.offers_what_works().await;
    let answer_to = |words: &str| {
        let mut fitting = answers.iter().filter(|(line, _)| line.contains(words));
        fitting.next_back().unwrap_or_else(|| panic!("no line with {words}")).1.clone()
    };
    for status in ["INITIALIZING", "RUNNING", "COMPLETE", "CRASHED"] {
        let instance = &answer_to(&format!("until={status}"))["instance"];
        assert_eq!(instance["status"], status, "{instance}");
    }
    let tail = answer_to("/output")["tail"].to_string();
    assert!(tail.contains("[chat] hello"), "{tail}");
    let history = answer_to("/events");
    let history = history["events"].as_array().unwrap();
    it_is_told_who_asked_and_why(history);
    it_is_told_what_happened(history);
    for (created, end) in all(history, "InstanceCreated").iter().zip(["COMPLETE", "CRASHED"]) {
        let id = &created["payload"]["game_server_instance_id"];
        let v1 = status.get(&format!("/status/instance/{id}")).await.ok();
        assert_eq!(v1["status_type"], end);
    }
    host.agent().signal("INT").await;
    assert!(host.take_agent().ends().await.success());
    up.interrupt().await;
}

fn it_is_told_who_asked_and_why(history: &[Value]) {
    let reasons = |event_type| {
        let asked = all(history, event_type);
        assert!(asked.iter().all(|event| event["actor"] == json!({"kind": "user", "id": "anna"})));
        asked.iter().map(|event| event["reason"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(reasons("StartRequested"), [json!("trying it out"), Value::Null]);
    assert_eq!(reasons("StopRequested"), [json!("enough")]);
}

fn it_is_told_what_happened(history: &[Value]) {
    let progress = all(history, "InstanceProgressed");
    assert!(
        progress.iter().any(|event| event["payload"]["phase"] == "downloading"),
        "{progress:?}"
    );
    let reported = all(history, "InstanceStatusReported");
    let told: Vec<_> = reported.iter().map(|event| &event["payload"]).collect();
    let statuses: Vec<_> = told.iter().map(|told| told["status"].as_str().unwrap()).collect();
    let each = |end| ["CREATED", "INITIALIZING", "RUNNING", end];
    assert_eq!(statuses, [each("COMPLETE"), each("CRASHED")].concat());
    for told in told.iter().filter(|told| told["status"] == "RUNNING") {
        assert!(told["detail"]["pid"].as_i64() > Some(1), "{told}");
    }
    assert_eq!(told[3]["detail"]["reason"], "exited with code 0; stopped as asked");
    let crash = &told[7]["detail"];
    assert_eq!((&crash["exit_code"], &crash["reason"]), (&json!(3), &json!("exited with code 3")));
    let last = crash["last_lines"].as_array().unwrap().last();
    assert_eq!(last, Some(&json!("attempt to divide by zero")));
    assert!(reported.iter().all(|event| event["actor"]["kind"] == "agent"), "{reported:?}");
}

fn all<'a>(history: &'a [Value], event_type: &str) -> Vec<&'a Value> {
    history.iter().filter(|event| event["event_type"] == event_type).collect()
}
