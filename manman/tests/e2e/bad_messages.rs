//! What is no status report becomes a dead letter with its reason; what is one twice counts once.

use lapin::BasicProperties;
use serde_json::json;

use crate::support::{Inbox, Subscriber, System, V1Worker};

const AS_OF: &str = "2026-01-02T03:04:05.989740+00:00";

fn report(entity: &str, identifier: &str, status: &str) -> String {
    json!({"entity_type": entity, "identifier": identifier, "as_of": AS_OF, "status_type": status})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_report_becomes_a_dead_letter_and_the_next_report_is_taken() {
    let system = System::start().await;
    let mut subscriber = Subscriber::subscribe(&system.broker).await;
    let worker = V1Worker::start(&system.dal, &system.broker).await;
    let mut dead_letters = Inbox::open(&system.broker, "manman.dead-letters", false, &[]).await;

    let numeric =
        json!({"entity_type": "worker", "identifier": 1, "as_of": AS_OF, "status_type": "RUNNING"});
    let undated = json!({"entity_type": "worker", "identifier": "1", "status_type": "RUNNING"});
    for (key, body) in [
        ("worker.1.status", "no JSON at all".to_owned()),
        ("worker.1.status", String::new()),
        ("worker.1.status", "[]".to_owned()),
        ("worker.1.status", "\u{feff}{}".to_owned()),
        ("worker.1.status", numeric.to_string()),
        ("worker.1.status", undated.to_string()),
        ("worker.1.status", report("worker", "1", "EXPLODED")),
        ("worker.1.status", report("worker", "1", "LOST")),
        ("worker.1.status", report("planet", "1", "RUNNING")),
        ("worker.x.status", report("worker", "x", "RUNNING")),
        ("worker.999.status", report("worker", "999", "RUNNING")),
        ("worker.99999999999.status", report("worker", "99999999999", "RUNNING")),
        ("game_server_instance.999.status", report("game_server_instance", "999", "RUNNING")),
    ] {
        worker.publish_raw(key, &body).await;
        let letter = dead_letters.next(&format!("a dead letter of {body}")).await;
        assert_eq!(letter.body, body);
        assert_eq!(letter.header("x-manman-routing-key"), key);
        assert_eq!(letter.header("x-manman-queue"), "status-processor-internal-queue");
        assert_eq!(letter.header("x-manman-exchange"), "internal_service_events");
        assert!(!letter.header("x-manman-reason").is_empty());
    }

    worker.report("COMPLETE").await;
    subscriber.worker(1, "COMPLETE").await;
    assert_eq!(subscriber.of_worker(1), ["CREATED", "INITIALIZING", "RUNNING", "COMPLETE"]);
    assert_eq!(system.readiness().await, [true; 4]);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_comes_more_than_once_counts_once() {
    let system = System::start().await;
    let mut subscriber = Subscriber::subscribe(&system.broker).await;
    V1Worker::start(&system.dal, &system.broker).await;
    subscriber.worker(1, "RUNNING").await;

    // As v1 sends it, without a name of its own; and as ours would, with one. In one order: over one connection.
    let publisher = Inbox::open(&system.broker, "test-publisher", true, &[]).await;
    let (exchange, key) = ("internal_service_events", "worker.1.status");
    let (unnamed, named) = (report_now("INITIALIZING"), report_now("RUNNING"));
    let name = "018f0000-0000-7000-8000-000000000001";
    let name = BasicProperties::default().with_message_id(name.into());
    for _ in 0..3 {
        publisher.publish(exchange, key, &unnamed).await;
        publisher.publish_with(exchange, key, &named, name.clone()).await;
    }
    publisher.publish(exchange, key, &report_now("COMPLETE")).await;
    subscriber.worker(1, "COMPLETE").await;
    let query = "SELECT payload -> 'WorkerStatusReported' ->> 'status' FROM events
                  WHERE event_type = 'WorkerStatusReported' ORDER BY position";
    let recorded = system.database.values::<String>(query).await;
    assert_eq!(
        recorded.iter().filter(|status| *status == "INITIALIZING").count(),
        2,
        "{recorded:?}"
    );
    let expected = ["CREATED", "INITIALIZING", "RUNNING", "INITIALIZING", "RUNNING", "COMPLETE"];
    assert_eq!(recorded, expected);
    system.stop().await;
}

fn report_now(status: &str) -> String {
    let as_of = chrono::Utc::now().to_rfc3339();
    json!({"entity_type": "worker", "identifier": "1", "as_of": as_of, "status_type": status})
        .to_string()
}
