//! Status reports from the broker: recorded once, in order, or given up with a reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::StatusType as Status;
use event_store::EventStore;
use messaging::contract::{EntityType, StatusType};
use messaging::{DeadLetter, DeadLetters, Decision};
use projectors::{Intake, PieceStatus};
use serde_json::{Value, json};
use support::broker::{Namespace, broker, report, with_broker};
use support::commands::at;
use support::{Running, System, eventually};

const WORKER: EntityType = EntityType::Worker;
const INSTANCE: EntityType = EntityType::GameServerInstance;

fn run_intake(store: &EventStore, namespace: &Namespace) -> (Running, PieceStatus) {
    let link = broker("report.intake");
    let intake = Intake::new(store.clone(), link, namespace.topology.clone());
    let status = intake.status();
    (Running::start(|stop| intake.run(stop)), status)
}

fn with_detail(body: &str, detail: &Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["detail"] = detail.clone();
    body.to_string()
}

async fn dead_letters(namespace: &Namespace, count: usize) -> Vec<DeadLetter> {
    let letters = DeadLetters::new(broker("test.letters"), namespace.topology.clone());
    let mut found = Vec::new();
    eventually("the dead letters are there", async || {
        found = letters.list(100).await.unwrap();
        found.len() >= count
    })
    .await;
    found
}

async fn reports(system: &System, entity: EntityType, id: i32) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT payload -> event_type ->> 'status' || ' ' || (payload -> event_type ->> 'standing')
           FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND event_type LIKE '%Reported'
          ORDER BY sequence",
    )
    .bind(entity.as_str())
    .bind(id.to_string())
    .fetch_all(&system.pool)
    .await
    .unwrap()
}

async fn reported(system: &System, entity: EntityType, id: i32, expected: &[&str]) {
    eventually("the reports are recorded", async || {
        reports(system, entity, id).await.len() >= expected.len()
    })
    .await;
    assert_eq!(reports(system, entity, id).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_becomes_an_event_whose_actor_is_the_reporter() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        let (_intake, _) = run_intake(&system.store, &namespace);
        for (entity, id, actor) in
            [(WORKER, 6, "worker/6"), (INSTANCE, 12, "game_server_instance/12")]
        {
            let key = format!("{entity}.{id}.status");
            let body = report(entity, id, StatusType::Running, at(1));
            namespace.publish(&key, &body, "").await;
            reported(&system, entity, id, &["RUNNING current"]).await;
            let (kind, found): (String, String) = sqlx::query_as(
                "SELECT metadata ->> 'actor_kind', metadata ->> 'actor_id' FROM events
                  WHERE aggregate_type = $1 AND event_type LIKE '%Reported'",
            )
            .bind(entity.as_str())
            .fetch_one(&system.pool)
            .await
            .unwrap();
            assert_eq!((kind.as_str(), found.as_str()), ("agent", actor));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_one_entity_are_recorded_in_the_order_they_came() {
    with_broker(|system, namespace| async move {
        for worker in 1..=5 {
            system.register(worker, at(0)).await;
        }
        // They wait in the queue before anybody takes them, so all lanes are full at once.
        for n in 0..20 {
            for worker in 1..=5 {
                let status =
                    [StatusType::Created, StatusType::Initializing, StatusType::Running][n % 3];
                let body = report(WORKER, worker, status, at(1 + n as i64));
                namespace.publish(&format!("worker.{worker}.status"), &body, "").await;
            }
        }
        let (_intake, _) = run_intake(&system.store, &namespace);
        let words = ["CREATED current", "INITIALIZING current", "RUNNING current"];
        let expected: Vec<_> = (0..20).map(|n| words[n % 3]).collect();
        for worker in 1..=5 {
            reported(&system, WORKER, worker, &expected).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_twice_is_one_event() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        let (_intake, _) = run_intake(&system.store, &namespace);
        let body = report(WORKER, 6, StatusType::Running, at(1));
        let id = uuid::Uuid::now_v7().to_string();
        // With a message id, and as a v1 worker sends it.
        for message_id in [id.as_str(), "", id.as_str(), "", "not a uuid"] {
            namespace.publish("worker.6.status", &body, message_id).await;
        }
        let last = report(WORKER, 6, StatusType::Complete, at(2));
        namespace.publish("worker.6.status", &last, "").await;
        // The v1 report is another message, but an outdated one.
        let expected = ["RUNNING current", "RUNNING outdated", "COMPLETE current"];
        reported(&system, WORKER, 6, &expected).await;
    })
    .await;
}

/// The payloads of an instance's events from the second on, without their types.
async fn told(system: &System, instance: i32, count: usize) -> Vec<(String, Value)> {
    let mut told = Vec::new();
    eventually("all is recorded", async || {
        told = sqlx::query_as(
            "SELECT event_type, payload -> event_type FROM events
              WHERE aggregate_type = 'game_server_instance' AND aggregate_id = $1 AND sequence > 1
              ORDER BY sequence",
        )
        .bind(instance.to_string())
        .fetch_all(&system.pool)
        .await
        .unwrap();
        told.len() >= count
    })
    .await;
    assert_eq!(told.len(), count, "{told:?}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detail_is_recorded_with_its_status_and_progress_as_its_own_event() {
    with_broker(|system, namespace| async move {
        system.register_native(6, "attic", at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        let (_intake, _) = run_intake(&system.store, &namespace);
        let progress = json!({"phase": "downloading", "percent": 41, "bytes_done": 1});
        let crash = json!({"pid": 4711, "reason": "killed", "signal": 9, "last_lines": ["bye"]});
        for (status, at, detail) in [
            (StatusType::Initializing, at(1), Value::Null),
            (StatusType::Initializing, at(2), json!({"progress": progress})),
            (StatusType::Running, at(3), json!({})),
            (StatusType::Crashed, at(4), crash),
        ] {
            let body = with_detail(&report(INSTANCE, 12, status, at), &detail);
            namespace.publish("game_server_instance.12.status", &body, "").await;
        }
        let told = told(&system, 12, 4).await;
        assert_eq!(told[0].1["detail"], Value::Null);
        assert_eq!(
            told[1],
            (
                "InstanceProgressed".to_owned(),
                json!({
                    "phase": "downloading", "percent": 41, "bytes_done": 1, "bytes_total": null,
                    "as_of": "2026-01-02T03:04:05.002Z",
                })
            )
        );
        assert_eq!((&told[2].1["status"], &told[2].1["detail"]), (&json!("RUNNING"), &Value::Null));
        assert_eq!(
            told[3].1["detail"],
            json!({
                "pid": 4711, "reason": "killed", "exit_code": null, "signal": 9,
                "last_lines": ["bye"],
            })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_counts_without_a_detail_that_cannot_be_read() {
    with_broker(|system, namespace| async move {
        system.register_native(6, "attic", at(0)).await;
        system.create_instance(12, 6, at(0)).await;
        let (_intake, _) = run_intake(&system.store, &namespace);
        for (n, detail) in [json!("words"), json!({"pid": "x"}), json!({"last_lines": [7]})]
            .into_iter()
            .enumerate()
        {
            let body = report(INSTANCE, 12, StatusType::Running, at(1 + n as i64));
            let body = with_detail(&body, &detail);
            namespace.publish("game_server_instance.12.status", &body, "").await;
        }
        for (_, payload) in told(&system, 12, 3).await {
            assert_eq!((&payload["status"], &payload["detail"]), (&json!("RUNNING"), &Value::Null));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_a_closed_worker_is_recorded_too() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        system.worker_reports(6, Status::Running, at(1)).await;
        system.close_worker(6, domain::worker::WorkerClosedBy::Shutdown, at(2)).await;
        let (_intake, _) = run_intake(&system.store, &namespace);
        let body = report(WORKER, 6, StatusType::Complete, at(3));
        namespace.publish("worker.6.status", &body, "").await;
        reported(&system, WORKER, 6, &["RUNNING current", "COMPLETE current"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_recorded_becomes_a_dead_letter_with_its_reason() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        let (_intake, _) = run_intake(&system.store, &namespace);
        let good = report(WORKER, 6, StatusType::Running, at(1));
        let bad = [
            ("hello".to_owned(), "not JSON: expected value at line 1 column 1"),
            (good.replace("RUNNING", "DANCING"), r#"unknown status_type "DANCING""#),
            (good.replace(r#""worker""#, r#""wizard""#), r#"unknown entity_type "wizard""#),
            (good.replace(r#""6""#, "6"), "identifier is not a string"),
            (
                report(WORKER, 6, StatusType::Lost, at(1)),
                "worker 6: LOST is not a status that can be reported",
            ),
            (report(WORKER, 7, StatusType::Running, at(1)), "worker 7: worker not found"),
            (
                report(INSTANCE, 12, StatusType::Running, at(1)),
                "game_server_instance 12: instance not found",
            ),
        ];
        for (body, _) in &bad {
            namespace.publish("worker.6.status", body, "").await;
        }
        namespace.publish("worker.6.status", &good, "").await;
        let letters = dead_letters(&namespace, bad.len()).await;
        for (body, reason) in bad {
            let letter = letters.iter().find(|letter| letter.body == body.as_bytes()).unwrap();
            assert_eq!(letter.reason, reason);
            assert_eq!(letter.attempts, 1);
            assert_eq!(letter.queue, namespace.topology.internal_status_queue().name);
        }
        // And none of them keeps a good one from being recorded.
        reported(&system, WORKER, 6, &["RUNNING current"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_recorded_when_it_is_redriven_after_its_cause_is_gone() {
    with_broker(|system, namespace| async move {
        let (_intake, _) = run_intake(&system.store, &namespace);
        let body = report(WORKER, 6, StatusType::Running, at(1));
        namespace.publish("worker.6.status", &body, "").await;
        dead_letters(&namespace, 1).await;
        system.register(6, at(0)).await;
        let letters = DeadLetters::new(broker("test.letters"), namespace.topology.clone());
        let decision = Decision {
            actor: "anna".to_owned(),
            reason: Some("worker 6 is known now".to_owned()),
            at: at(2),
        };
        assert_eq!(letters.redrive(&decision, |_| true).await.unwrap().moved, 1);
        reported(&system, WORKER, 6, &["RUNNING current"]).await;
        let query = "SELECT metadata ->> 'actor_id', metadata ->> 'reason' FROM events
                      WHERE event_type = 'WorkerStatusReported'";
        let (actor, reason): (String, String) =
            sqlx::query_as(query).fetch_one(&system.pool).await.unwrap();
        assert_eq!(actor, "worker/6");
        assert_eq!(reason, "retried by anna: worker 6 is known now");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_wait_while_the_database_is_away() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        let (_intake, status) = run_intake(&system.store, &namespace);
        eventually("it works", async || status.check().is_ok()).await;
        system.set_reachable(false).await;
        let body = report(WORKER, 6, StatusType::Running, at(1));
        namespace.publish("worker.6.status", &body, "").await;
        eventually("it says that it waits", async || {
            status.check().is_err_and(|problem| problem.contains("not currently accepting"))
        })
        .await;
        system.set_reachable(true).await;
        eventually("it is recorded", async || {
            let count =
                sqlx::query_scalar("SELECT count(*) FROM events WHERE aggregate_type = 'worker'");
            count.fetch_one(&system.pool).await.is_ok_and(|count: i64| count == 2)
        })
        .await;
        eventually("it is well again", async || status.check().is_ok()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_intakes_works_and_another_takes_over() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        let (first, _) = run_intake(&system.store, &namespace);
        let (_second, _) = run_intake(&system.store, &namespace);
        for n in 1..=5 {
            let body = report(WORKER, 6, StatusType::Running, at(n));
            namespace.publish("worker.6.status", &body, "").await;
        }
        reported(&system, WORKER, 6, &["RUNNING current"; 5]).await;
        first.stop().await;
        for n in 6..=10 {
            let body = report(WORKER, 6, StatusType::Running, at(n));
            namespace.publish("worker.6.status", &body, "").await;
        }
        reported(&system, WORKER, 6, &["RUNNING current"; 10]).await;
    })
    .await;
}
