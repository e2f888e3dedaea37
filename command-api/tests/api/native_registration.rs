//! Agents become workers by name: which one, and who is refused.

use axum::http::Method;
use chrono::TimeDelta;
use domain::WorkerId;
use domain::worker::{Agent, Surface, WorkerCommand};
use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use uuid::Uuid;

use crate::support::{App, context, now, payload, with_app, with_fragile_app};

const ADA: Uuid = Uuid::from_u128(0xA);
const BOB: Uuid = Uuid::from_u128(0xB);

/// Worker 50 of Ada, which registered ten seconds ago.
async fn old_worker(app: &App) {
    let agent = Agent { agent_id: ADA, version: "0.0.9".to_owned() };
    let command = WorkerCommand::Register {
        worker_id: WorkerId(50),
        surface: Surface::Native,
        name: Some("host-1".to_owned()),
        agent: Some(agent),
        at: now() - TimeDelta::seconds(10),
    };
    app.store.workers.execute("50", command, &context()).await.unwrap();
}

/// As if worker 50 had been heard of so many seconds ago.
async fn heard_of(app: &App, seconds: f64) {
    sqlx::query("INSERT INTO heartbeats VALUES ('worker', 50, now() - $1 * interval '1 second')")
        .bind(seconds)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_name_is_a_new_worker() {
    with_app(async |app| {
        let answer = app.register("host-1", ADA).await;
        assert_snapshot!(answer, @r#"201 {"worker_id":"1","name":"host-1","created_at":"<instant>","attached":"registered"}"#);
        assert_eq!(answer.header("location"), "/v1/workers/1");
        let [registered, attached] = &app.events().await[..] else { panic!("not two events") };
        assert_eq!(registered.event_type, "WorkerRegistered");
        assert_eq!(payload(registered)["surface"], "native");
        assert_eq!(payload(attached)["agent_id"], json!(ADA));
        assert_eq!(payload(attached)["agent_version"], "0.1.0");
        assert_eq!(attached.metadata().unwrap().actor_id, "new-worker");
        assert_eq!(answer.position(), Some(attached.position.0));

        let other = app.register("host-2", BOB).await;
        assert_eq!((other.status.as_u16(), &other.json()["worker_id"]), (201, &json!("2")));
    })
    .await;
}

#[tokio::test]
async fn to_register_is_a_sign_of_life() {
    with_app(async |app| {
        app.register("host-1", ADA).await;
        app.heartbeats.flush_now().await.unwrap();
        let heard: Vec<i32> = sqlx::query_scalar("SELECT entity_id FROM heartbeats")
            .fetch_all(&app.pool)
            .await
            .unwrap();
        assert_eq!(heard, [1]);
    })
    .await;
}

#[tokio::test]
async fn the_same_agent_comes_back_as_the_same_worker_at_any_time() {
    with_app(async |app| {
        app.register("host-1", ADA).await;
        let answer = app.register("host-1", ADA).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":"1","name":"host-1","created_at":"<instant>","attached":"reattached"}"#);
        assert_eq!(answer.header("location"), "");
        let attached = app.last_event().await;
        assert_eq!(attached.event_type, "AgentAttached");
        assert_eq!(attached.metadata().unwrap().actor_id, "worker/1");
        assert_eq!(answer.position(), Some(attached.position.0));
    })
    .await;
}

#[tokio::test]
async fn another_agent_is_refused_while_the_one_there_is_alive() {
    with_app(async |app| {
        old_worker(app).await;
        heard_of(app, 4.0).await;
        let answer = app.register("host-1", BOB).await;
        assert_eq!(answer.problem(), (409, "worker_name_in_use".to_owned()));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.starts_with("Worker 50 has this name, and its agent was heard of 4."),
            "{detail}"
        );
        assert!(detail.ends_with(" seconds ago."), "{detail}");
        assert_eq!(app.last_event().await.event_type, "AgentAttached");
        assert_eq!(payload(&app.last_event().await)["agent_id"], json!(ADA));
    })
    .await;
}

#[tokio::test]
async fn what_was_heard_and_not_yet_written_counts_too() {
    with_app(async |app| {
        old_worker(app).await;
        let beat = json!({"agent_id": ADA});
        app.tell(Method::POST, "/v1/workers/50/heartbeat", &beat).await;
        assert_eq!(app.register("host-1", BOB).await.problem().1, "worker_name_in_use");
    })
    .await;
}

#[tokio::test]
async fn another_agent_takes_over_from_one_that_fell_silent_and_is_alive_itself_then() {
    with_app(async |app| {
        old_worker(app).await;
        heard_of(app, 5.1).await;
        let answer = app.register("host-1", BOB).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":"50","name":"host-1","created_at":"<instant>","attached":"taken_over"}"#);
        assert_eq!(payload(&app.last_event().await)["agent_id"], json!(BOB));

        assert_eq!(app.register("host-1", ADA).await.problem().1, "worker_name_in_use");
        let beat = json!({"agent_id": ADA});
        let answer = app.tell(Method::POST, "/v1/workers/50/heartbeat", &beat).await;
        assert_eq!(answer.problem(), (409, "worker_taken_over".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn the_name_of_a_closed_worker_is_free() {
    with_app(async |app| {
        app.register("host-1", ADA).await;
        app.tell(Method::PUT, "/worker/shutdown", &json!({"worker_id": 1})).await;
        let answer = app.register("host-1", BOB).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["worker_id"]), (201, &json!("2")));
    })
    .await;
}

#[tokio::test]
async fn of_many_agents_that_want_a_new_name_at_once_one_gets_it() {
    with_app(async |app| {
        let other = App::on(app.pool.clone());
        let agents = (1..=20).map(|id| {
            let process = if id % 2 == 0 { app } else { &other };
            process.register("host-1", Uuid::from_u128(id))
        });
        let answers = join_all(agents).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(won.len(), 1);
        for answer in lost {
            assert_eq!(answer.problem(), (409, "worker_name_in_use".to_owned()));
        }
        assert_eq!(app.event_types().await, ["WorkerRegistered", "AgentAttached"]);
    })
    .await;
}

#[tokio::test]
async fn of_many_agents_that_want_a_silent_ones_worker_at_once_one_gets_it() {
    with_app(async |app| {
        old_worker(app).await;
        let other = App::on(app.pool.clone());
        let agents = (1..=20).map(|id| {
            let process = if id % 2 == 0 { app } else { &other };
            process.register("host-1", Uuid::from_u128(id << 64))
        });
        let answers = join_all(agents).await;
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1, "{answers:?}");
        assert_eq!(app.event_types().await[2..], ["AgentAttached"]);
    })
    .await;
}

#[tokio::test]
async fn one_agent_that_asks_many_times_at_once_is_one_worker() {
    with_app(async |app| {
        let other = App::on(app.pool.clone());
        let tries = (0..20).map(|n| if n % 2 == 0 { app } else { &other }.register("host-1", ADA));
        for answer in join_all(tries).await {
            assert!(answer.status.is_success(), "{answer}");
            assert_eq!(answer.json()["worker_id"], app.events().await[0].aggregate_id.as_str());
        }
        let registered =
            app.event_types().await.iter().filter(|it| *it == "WorkerRegistered").count();
        assert_eq!(registered, 1);
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_attached_through_another_process_is_known_here() {
    with_app(async |app| {
        old_worker(app).await;
        let other = App::on(app.pool.clone());
        // Here Ada's worker is in memory.
        let beat = |agent: Uuid| json!({"agent_id": agent});
        let path = "/v1/workers/50/heartbeat";
        assert_eq!(other.tell(Method::POST, path, &beat(ADA)).await.status, 204);
        sqlx::query("DELETE FROM heartbeats").execute(&app.pool).await.unwrap();
        assert_eq!(app.register("host-1", BOB).await.status, 200);
        assert_eq!(other.tell(Method::POST, path, &beat(BOB)).await.status, 204);
        assert_eq!(other.register("host-1", BOB).await.json()["attached"], "reattached");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_name_is_refused() {
    with_app(async |app| {
        for name in ["", " host-1", "host-1 ", "a\nb", "a\0b", &"n".repeat(129)] {
            let answer = app.register(name, ADA).await;
            assert_eq!(answer.problem(), (422, "invalid_worker_name".to_owned()), "{name:?}");
        }
        assert_eq!(app.register(&"\u{fc}".repeat(128), ADA).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_a_problem() {
    with_app(async |app| {
        for body in [
            json!({}),
            json!({"name": "a", "agent_id": "x", "agent_version": "1"}),
            json!({"name": "a", "agent_id": ADA}),
            json!({"name": 1, "agent_id": ADA, "agent_version": "1"}),
        ] {
            let answer = app.tell(Method::POST, "/v1/workers", &body).await;
            assert_eq!(answer.problem(), (422, "invalid_body".to_owned()), "{body}");
        }
        assert_eq!(app.event_types().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn without_a_database_nobody_registers_and_the_agent_is_told_to_try_again() {
    with_fragile_app(async |app, database| {
        app.register("host-1", ADA).await;
        database.cut().await;
        for name in ["host-1", "host-2"] {
            let answer = app.register(name, ADA).await;
            assert_eq!(answer.problem(), (503, "unavailable".to_owned()));
            assert_eq!(answer.header("retry-after"), "1");
        }
        database.restore().await;
        assert_eq!(app.register("host-1", ADA).await.json()["attached"], "reattached");
    })
    .await;
}
