//! `Idempotency-Key`: one request, one event, one answer, however often it is sent.

use crate::support::{Answer, App, json_request, send, with_app, with_fragile_app, with_header};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};

async fn keyed(router: &Router, method: Method, path: &str, body: &Value, key: &str) -> Answer {
    send(router, with_header(json_request(method, path, body), "idempotency-key", key)).await
}

async fn keyed_post(app: &App, path: &str, body: &Value, key: &str) -> Answer {
    keyed(&app.experience, Method::POST, path, body, key).await
}

/// One answer, whichever of them was first, and each says where it was written.
fn assert_same(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.text, answers[0].text);
        assert!(answer.position().is_some(), "{answer}");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn twenty_at_once_are_one() {
    with_app(async |app| {
        app.open_worker().await;
        let type_body = json!({"name": "factorio", "server_type": "STEAM", "app_id": 427520});
        let command_body = json!({"name": "n", "command": "c"});
        for (path, body, event) in [
            ("/gameserver/1/start", json!(null), "StartRequested"),
            ("/gameserver/types", type_body, "GameServerAdded"),
            ("/gameserver/types/1/command", command_body, "GameServerCommandAdded"),
            ("/worker/shutdown", json!({}), "ShutdownRequested"),
        ] {
            let twenty = (0..20).map(|_| keyed_post(app, path, &body, "k"));
            assert_same(&join_all(twenty).await);
            let written = app.event_types().await;
            assert_eq!(written.iter().filter(|written| *written == event).count(), 1, "{event}");
        }
    })
    .await;
}

#[tokio::test]
async fn twenty_registrations_at_once_are_one_worker() {
    with_app(async |app| {
        let body = json!({});
        let register = || keyed(&app.worker_dal, Method::POST, "/worker/create", &body, "k");
        assert_same(&join_all((0..20).map(|_| register())).await);
        assert_eq!(app.event_types().await, ["WorkerRegistered"]);
    })
    .await;
}

#[tokio::test]
async fn twenty_goodbyes_at_once_are_one() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let body = json!({"worker_id": worker_id});
        let goodbye = || keyed(&app.worker_dal, Method::PUT, "/worker/shutdown", &body, "k");
        assert_same(&join_all((0..20).map(|_| goodbye())).await);
        // In another process, and long after.
        let other = App::on(app.pool.clone());
        let late = keyed(&other.worker_dal, Method::PUT, "/worker/shutdown", &body, "k").await;
        assert_same(&[goodbye().await, late]);
        assert_eq!(app.event_types().await, ["WorkerRegistered", "WorkerClosed"]);
    })
    .await;
}

#[tokio::test]
async fn two_keys_are_two_requests() {
    with_app(async |app| {
        app.open_worker().await;
        keyed_post(app, "/gameserver/1/start", &json!(null), "a").await;
        keyed_post(app, "/gameserver/1/start", &json!(null), "b").await;
        assert_eq!(app.event_types().await[1..], ["StartRequested", "StartRequested"]);
    })
    .await;
}

#[tokio::test]
async fn one_key_on_two_paths_is_two_requests() {
    with_app(async |app| {
        app.open_worker().await;
        keyed_post(app, "/gameserver/1/start", &json!(null), "a").await;
        keyed_post(app, "/gameserver/1/stop", &json!(null), "a").await;
        assert_eq!(app.event_types().await[1..], ["StartRequested", "StopRequested"]);
    })
    .await;
}

#[tokio::test]
async fn one_key_for_two_bodies_is_refused() {
    with_app(async |app| {
        app.open_worker().await;
        let path = "/gameserver/1/stdin";
        keyed_post(app, path, &json!({"commands": ["a"]}), "k").await;
        let answer = keyed_post(app, path, &json!({"commands": ["b"]}), "k").await;
        assert_snapshot!(answer, @r#"422 {"detail":"Idempotency-Key was already used for another request"}"#);
        let bodies = (0..20).map(|n| json!({"commands": [n.to_string()]}));
        let race = bodies.map(async |body| keyed_post(app, path, &body, "race").await.status);
        let statuses = join_all(race).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 19, "{statuses:?}");
        assert_eq!(app.event_types().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    with_app(async |app| {
        let answer = keyed_post(app, "/gameserver/1/start", &json!(null), "k").await;
        assert_eq!(answer.status, 404);
        app.open_worker().await;
        let answer = keyed_post(app, "/gameserver/1/start", &json!(null), "k").await;
        assert_eq!(answer.status, 200);
    })
    .await;
}

#[tokio::test]
async fn the_first_answer_stays_when_the_worker_is_gone() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let first = keyed_post(app, "/gameserver/1/start", &json!(null), "k").await;
        sqlx::query("DELETE FROM read_models.workers").execute(&app.pool).await.unwrap();
        app.tell(Method::PUT, "/worker/shutdown", &json!({"worker_id": worker_id})).await;
        let again = keyed_post(app, "/gameserver/1/start", &json!(null), "k").await;
        assert_same(&[first, again]);
    })
    .await;
}

#[tokio::test]
async fn taking_over_is_repeated_with_the_same_answer() {
    with_app(async |app| {
        app.open_worker().await;
        app.open_worker().await;
        let worker_id = app.open_worker().await;
        let path = "/worker/shutdown/other";
        let body = json!({"worker_id": worker_id});
        let first = keyed(&app.worker_dal, Method::PUT, path, &body, "k").await;
        let again = keyed(&app.worker_dal, Method::PUT, path, &body, "k").await;
        assert_snapshot!(again, @"200 null");
        assert_same(&[first, again]);
        let other = keyed(&app.worker_dal, Method::PUT, path, &json!({"worker_id": 1}), "k").await;
        assert_eq!(other.status, 422);
        assert_eq!(app.event_types().await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_visible_ascii_of_some_length() {
    with_app(async |app| {
        app.open_worker().await;
        let longest = "k".repeat(255);
        assert_eq!(keyed_post(app, "/gameserver/1/start", &json!(null), &longest).await.status, 200);
        for key in ["", "a b", "é", &"k".repeat(256)] {
            let answer = keyed_post(app, "/gameserver/1/start", &json!(null), key).await;
            assert_eq!(answer.to_string(), r#"400 {"detail":"Invalid Idempotency-Key (must be one value of 1 to 255 visible ASCII characters)"}"#);
        }
        let two = Request::post("/gameserver/1/start");
        let two = two.header("idempotency-key", "a").header("idempotency-key", "b");
        let answer = send(&app.experience, two.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 400);
    })
    .await;
}

#[tokio::test]
async fn a_retry_after_the_database_was_away_gets_the_first_answer() {
    with_fragile_app(async |app, database| {
        app.open_worker().await;
        let first = keyed_post(app, "/gameserver/1/start", &json!(null), "k").await;
        database.cut().await;
        let away = keyed_post(app, "/gameserver/1/start", &json!(null), "k").await;
        assert_snapshot!(away, @r#"503 {"detail":"Database unavailable"}"#);
        assert_eq!(away.headers["retry-after"], "1");
        database.restore().await;
        assert_same(&[first, keyed_post(app, "/gameserver/1/start", &json!(null), "k").await]);
    })
    .await;
}
