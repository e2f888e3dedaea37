//! One command, followed through the processes by their logs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Environment, Program, System, eventually};

const REQUEST: &str = "018f0000-0000-7000-8000-000000000042";

#[tokio::test(flavor = "multi_thread")]
async fn one_id_leads_from_a_request_to_what_was_appended_published_and_projected() {
    let mut system = System::start().await;
    let mut telling = Vec::new();
    for name in ["start-worker-dal-api", "start-status-processor"] {
        let quiet = system.take_process(name);
        quiet.signal("TERM").await;
        quiet.ends().await;
        let settings: Environment =
            vec![("LOG_LEVEL", "DEBUG".to_owned()), ("LOG_JSON_FORMAT", "true".to_owned())];
        system.start_process_with(name, &settings);
        telling.push(system.take_process(name));
    }
    system.is_ready().await;
    let headers = [("X-Request-Id", REQUEST)];
    let nothing = json!({});
    let asked = system.dal.try_send_json(Method::POST, "/worker/create", &headers, &nothing);
    let asked = asked.await.unwrap();
    asked.ok();
    let [api, processor] = &telling[..] else { panic!("two processes") };
    let position = asked.position();
    eventually("the API tells of the answer", async || {
        lines(api, "request_id").iter().any(|line| line["status"] == 200)
    })
    .await;
    eventually("the API tells of the append", async || {
        lines(api, "correlation_id")
            .iter()
            .any(|line| line["message"] == "appended" && line["last"] == position)
    })
    .await;
    for what in ["published", "projected"] {
        eventually(what, async || {
            lines(processor, "correlation_id")
                .iter()
                .any(|line| line["message"] == what && line["position"] == position)
        })
        .await;
    }
}

/// What a process has told of the request, by the key that names it.
fn lines(program: &Program, key: &str) -> Vec<Value> {
    let said = program.said();
    let lines = said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line[key] == REQUEST).collect()
}
