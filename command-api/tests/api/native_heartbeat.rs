//! Signs of life of agents, of what they run, and what that prints.

use axum::body::Body;
use axum::http::{Method, Request};
use insta::assert_snapshot;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, App, send, with_app, with_fragile_app};

const AGENT: Uuid = Uuid::from_u128(0xA);

/// Registers worker 1.
async fn registered(app: &App) {
    assert_eq!(app.register("host-1", AGENT).await.status, 201);
}

async fn beat(app: &App, worker_id: i32, instances: Value) -> Answer {
    let body = json!({"agent_id": AGENT, "game_server_instances": instances});
    app.tell(Method::POST, &format!("/v1/workers/{worker_id}/heartbeat"), &body).await
}

fn instance(id: i32) -> Value {
    json!({"game_server_instance_id": id.to_string()})
}

fn printing(id: i32, lines_total: u64, tail: &[&str]) -> Value {
    let output = json!({"lines_total": lines_total, "tail": tail});
    json!({"game_server_instance_id": id.to_string(), "output": output})
}

async fn heard_of(app: &App) -> Vec<(String, i32)> {
    app.heartbeats.flush_now().await.unwrap();
    sqlx::query_as("SELECT entity, entity_id FROM heartbeats ORDER BY entity, entity_id")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

async fn outputs(app: &App) -> Vec<(i32, i64, Vec<String>)> {
    app.heartbeats.flush_now().await.unwrap();
    sqlx::query_as(
        "SELECT game_server_instance_id, lines_total, tail FROM instance_output ORDER BY 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_agent_and_what_it_runs_are_heard_of_in_one_call() {
    with_app(async |app| {
        registered(app).await;
        let (first, second) = (app.begin_instance(1).await, app.begin_instance(1).await);
        app.begin_instance(1).await;
        let answer = beat(app, 1, json!([instance(second), instance(first)])).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        let heard =
            [("game_server_instance", first), ("game_server_instance", second), ("worker", 1)];
        assert_eq!(heard_of(app).await, heard.map(|(entity, id)| (entity.to_owned(), id)));
    })
    .await;
}

#[tokio::test]
async fn instances_need_not_be_named() {
    with_app(async |app| {
        registered(app).await;
        let path = "/v1/workers/1/heartbeat";
        let answer = app.tell(Method::POST, path, &json!({"agent_id": AGENT})).await;
        assert_eq!(answer.status, 204);
    })
    .await;
}

#[tokio::test]
async fn instances_of_others_and_those_that_are_not_there_are_passed_over() {
    with_app(async |app| {
        registered(app).await;
        let own = app.begin_instance(1).await;
        let other = app.open_worker().await;
        let others = app.begin_instance(other).await;
        let named =
            [printing(others, 1, &["x"]), printing(99, 1, &["x"]), instance(own), instance(-1)];
        // An id is digits.
        assert_eq!(beat(app, 1, json!(named)).await.problem().1, "invalid_body");
        let answer = beat(app, 1, json!(named[..3])).await;
        assert_eq!(answer.status, 204, "{answer}");
        let heard = [("game_server_instance", own), ("worker", 1)];
        assert_eq!(heard_of(app).await, heard.map(|(entity, id)| (entity.to_owned(), id)));
        assert_eq!(outputs(app).await, []);
    })
    .await;
}

#[tokio::test]
async fn output_is_kept_as_it_was_told_last() {
    with_app(async |app| {
        registered(app).await;
        let (first, second) = (app.begin_instance(1).await, app.begin_instance(1).await);
        let both = json!([printing(first, 2, &["one", "two"]), printing(second, 0, &[])]);
        assert_eq!(beat(app, 1, both).await.status, 204);
        let told = [(first, 2, vec!["one".to_owned(), "two".to_owned()]), (second, 0, vec![])];
        assert_eq!(outputs(app).await, told);
        // Unchanged it is not told again, and stays.
        beat(app, 1, json!([instance(first), printing(second, 1, &["\u{e4}\0\"\\"])])).await;
        let (_, lines, tail) = &outputs(app).await[1];
        assert_eq!((*lines, tail[0].as_str()), (1, "\u{e4}\u{fffd}\"\\"));
        assert_eq!(outputs(app).await[0], told[0]);
    })
    .await;
}

#[tokio::test]
async fn of_long_output_the_end_is_kept() {
    with_app(async |app| {
        registered(app).await;
        let id = app.begin_instance(1).await;
        let lines: Vec<String> = (0..60).map(|line| format!("{line}{}", "-".repeat(600))).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(beat(app, 1, json!([printing(id, 60, &lines)])).await.status, 204);
        let (_, _, tail) = &outputs(app).await[0];
        assert_eq!((tail.len(), tail[0].chars().count(), &tail[49][..3]), (50, 500, "59-"));
    })
    .await;
}

#[tokio::test]
async fn whoever_looks_right_after_sees_the_output() {
    with_app(async |app| {
        registered(app).await;
        let id = app.begin_instance(1).await;
        beat(app, 1, json!([printing(id, 7, &["hello"])])).await;
        let look = Request::get(format!("/v1/game-server-instances/{id}/output"));
        let answer = send(&app.worker_dal, look.body(Body::empty()).unwrap()).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":"1","lines_total":7,"tail":["hello"],"as_of":"<instant>"}"#);
    })
    .await;
}

#[tokio::test]
async fn newer_output_is_not_replaced_by_older() {
    with_app(async |app| {
        registered(app).await;
        let id = app.begin_instance(1).await;
        let newer =
            "INSERT INTO instance_output VALUES ($1, 9, '{new}', now() + interval '1 hour')";
        sqlx::query(newer).bind(id).execute(&app.pool).await.unwrap();
        beat(app, 1, json!([printing(id, 1, &["old"])])).await;
        assert_eq!(outputs(app).await, [(id, 9, vec!["new".to_owned()])]);
    })
    .await;
}

#[tokio::test]
async fn many_outputs_are_one_statement() {
    with_app(async |app| {
        registered(app).await;
        let mut beats = Vec::new();
        for number in 0..30 {
            let id = app.begin_instance(1).await;
            beats.push(printing(id, number, &["line"]));
        }
        app.heartbeats.flush_now().await.unwrap();
        let before = app.heartbeats.statements();
        for _ in 0..10 {
            beat(app, 1, json!(beats)).await;
        }
        assert_eq!(outputs(app).await.len(), 30);
        assert_eq!(app.heartbeats.statements(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn output_waits_for_a_database_that_is_away_and_so_do_heartbeats() {
    with_fragile_app(async |app, database| {
        registered(app).await;
        let id = app.begin_instance(1).await;
        assert_eq!(beat(app, 1, json!([instance(id)])).await.status, 204);
        app.heartbeats.flush_now().await.unwrap();
        database.cut().await;
        // Worker and instance are in memory; one that is not is passed over, it counts for the others.
        let both = json!([printing(id, 1, &["meanwhile"]), instance(99)]);
        assert_eq!(beat(app, 1, both).await.status, 204);
        app.heartbeats.flush_now().await.unwrap_err();
        database.restore().await;
        assert_eq!(outputs(app).await, [(id, 1, vec!["meanwhile".to_owned()])]);
    })
    .await;
}

#[tokio::test]
async fn who_is_no_worker_any_more_is_told_so() {
    with_app(async |app| {
        registered(app).await;
        for unknown in ["99", "2147483648"] {
            let path = format!("/v1/workers/{unknown}/heartbeat");
            let answer = app.tell(Method::POST, &path, &json!({"agent_id": AGENT})).await;
            assert_eq!(answer.problem(), (404, "worker_not_found".to_owned()));
        }
        let other = json!({"agent_id": Uuid::from_u128(0xB)});
        let answer = app.tell(Method::POST, "/v1/workers/1/heartbeat", &other).await;
        assert_eq!(answer.problem(), (409, "worker_taken_over".to_owned()));
        app.tell(Method::PUT, "/worker/shutdown", &json!({"worker_id": 1})).await;
        let answer = beat(app, 1, json!([])).await;
        assert_eq!(answer.problem(), (410, "worker_closed".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_as_a_whole() {
    with_app(async |app| {
        registered(app).await;
        let path = "/v1/workers/1/heartbeat";
        for body in [
            json!({}),
            json!({"agent_id": "a"}),
            json!({"agent_id": AGENT, "game_server_instances": [1]}),
        ] {
            let answer = app.tell(Method::POST, path, &body).await;
            assert_eq!(answer.problem(), (422, "invalid_body".to_owned()), "{body}");
        }
        let answer =
            app.tell(Method::POST, "/v1/workers/x/heartbeat", &json!({"agent_id": AGENT})).await;
        assert_eq!(answer.problem(), (422, "invalid_parameter".to_owned()));
        let many: Vec<Value> = (1..=1_001).map(instance).collect();
        assert_eq!(
            beat(app, 1, json!(many)).await.problem(),
            (422, "too_many_instances".to_owned())
        );
        assert_eq!(beat(app, 1, json!(many[..1_000])).await.status, 204);
    })
    .await;
}
