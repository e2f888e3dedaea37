//! What workers say: every command of the Worker DAL API and every way it can be refused.

use crate::support::{context, now, payload, send, untyped, with_app};
use axum::body::Body;
use axum::http::{Method, Request};
use chrono::TimeDelta;
use domain::game_server_instance::{InstanceClosedBy, InstanceCommand};
use domain::worker::{Surface, WorkerCommand};
use domain::{GameServerConfigId, GameServerId, GameServerInstanceId, StatusType, WorkerId};
use insta::assert_snapshot;
use serde_json::json;

/// Workers of the last generation send back what they got when they registered.
fn worker(worker_id: i32) -> serde_json::Value {
    json!({
        "worker_id": worker_id,
        "created_date": "2026-01-02T03:04:05.953035+00:00",
        "end_date": null,
        "last_heartbeat": null,
    })
}

fn instance(instance_id: i32, worker_id: i32) -> serde_json::Value {
    json!({
        "game_server_instance_id": instance_id,
        "game_server_config_id": 1,
        "worker_id": worker_id,
        "end_date": null,
        "last_heartbeat": null,
    })
}

#[tokio::test]
async fn a_worker_registers_whatever_it_sends() {
    with_app(async |app| {
        let nothing = Request::post("/worker/create").body(Body::empty()).unwrap();
        let answer = send(&app.worker_dal, nothing).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":1,"created_date":"<instant>"}"#);
        let broken = untyped(Method::POST, "/worker/create", "{not json");
        let answer = send(&app.worker_dal, broken).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":2,"created_date":"<instant>"}"#);

        let registered = app.last_event().await;
        assert_eq!(answer.position(), Some(registered.position.0));
        assert_eq!(payload(&registered)["surface"], "v1");
        let metadata = registered.metadata().unwrap();
        assert_eq!((metadata.actor_id.as_str(), metadata.reason), ("new-worker", None));
    })
    .await;
}

#[tokio::test]
async fn a_worker_says_goodbye_once() {
    with_app(async |app| {
        let id = app.open_worker().await;
        let answer = app.tell(Method::PUT, "/worker/shutdown", &worker(id)).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":1,"created_date":"<instant>","end_date":"<instant>","last_heartbeat":null}"#);
        let closed = app.last_event().await;
        assert_eq!(closed.event_type, "WorkerClosed");
        assert_eq!(closed.metadata().unwrap().actor_id, "worker/1");
        assert_eq!(answer.position(), Some(closed.position.0));

        let answer = app.tell(Method::PUT, "/worker/shutdown", &worker(id)).await;
        assert_snapshot!(answer, @r#"409 {"detail":"Worker 1 was already closed on <local instant>. Shutdown rejected."}"#);
        assert_eq!(answer.position(), None);
    })
    .await;
}

#[tokio::test]
async fn the_goodbye_shows_the_last_heartbeat() {
    with_app(async |app| {
        let id = app.open_worker().await;
        app.tell(Method::POST, "/worker/heartbeat", &worker(id)).await;
        let answer = app.tell(Method::PUT, "/worker/shutdown", &worker(id)).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":1,"created_date":"<instant>","end_date":"<instant>","last_heartbeat":"<instant>"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_goodbye_of_nobody_is_not_found() {
    with_app(async |app| {
        for body in
            [worker(7), json!({}), json!({"worker_id": null}), json!({"worker_id": 1_i64 << 40})]
        {
            let answer = app.tell(Method::PUT, "/worker/shutdown", &body).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Worker not found"}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_no_worker_do_not_fit() {
    with_app(async |app| {
        for (method, path) in [
            (Method::PUT, "/worker/shutdown"),
            (Method::PUT, "/worker/shutdown/other"),
            (Method::POST, "/worker/heartbeat"),
            (Method::PUT, "/server/instance/shutdown"),
        ] {
            let answer = send(&app.worker_dal, untyped(method.clone(), path, "")).await;
            assert_eq!(answer.to_string(), r#"422 {"detail":[{"input":null,"loc":["body"],"msg":"Field required","type":"missing"}]}"#);
            let answer = send(&app.worker_dal, untyped(method.clone(), path, "{")).await;
            assert_eq!(answer.to_string(), r#"422 {"detail":[{"ctx":{"error":"Expecting property name enclosed in double quotes"},"input":{},"loc":["body",1],"msg":"JSON decode error","type":"json_invalid"}]}"#);
            let answer = app.tell(method, path, &json!([1])).await;
            assert_eq!(answer.to_string(), r#"422 {"detail":[{"input":[1],"loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","type":"model_attributes_type"}]}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_worker_takes_over_from_all_others_of_its_surface() {
    with_app(async |app| {
        let (first, second, third) =
            (app.open_worker().await, app.open_worker().await, app.open_worker().await);
        let native = WorkerCommand::Register {
            worker_id: WorkerId(50),
            surface: Surface::Native,
            name: Some("attic".to_owned()),
            agent: None,
            at: now(),
        };
        app.store.workers.execute("50", native, &context()).await.unwrap();
        app.project_worker(50, "native").await;

        let answer = app.tell(Method::PUT, "/worker/shutdown/other", &worker(third)).await;
        assert_snapshot!(answer, @"200 null");
        let closed: Vec<_> = app.events().await.split_off(4);
        let mut ids: Vec<_> = closed.iter().map(|event| event.aggregate_id.clone()).collect();
        ids.sort();
        assert_eq!(ids, [first.to_string(), second.to_string()]);
        for event in &closed {
            assert_eq!(event.event_type, "WorkerClosed");
            assert_eq!(payload(event)["by"], json!({"superseded_by": third}));
            assert_eq!(event.metadata().unwrap().actor_id, "worker/3");
        }
        assert_eq!(answer.position(), Some(closed[1].position.0));

        // The read models do not know yet, and it makes no difference.
        let answer = app.tell(Method::PUT, "/worker/shutdown/other", &worker(third)).await;
        assert_snapshot!(answer, @"200 null");
        assert_eq!(answer.position(), None);
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_over_without_being_somebody() {
    with_app(async |app| {
        app.open_worker().await;
        for body in [json!({}), worker(7), json!({"worker_id": null})] {
            let answer = app.tell(Method::PUT, "/worker/shutdown/other", &body).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Worker not found"}"#);
        }
        assert_eq!(app.event_types().await, ["WorkerRegistered"]);
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_was_closed_does_not_take_over() {
    with_app(async |app| {
        let (old, new) = (app.open_worker().await, app.open_worker().await);
        app.tell(Method::PUT, "/worker/shutdown/other", &worker(new)).await;
        let answer = app.tell(Method::PUT, "/worker/shutdown/other", &worker(old)).await;
        assert_snapshot!(answer, @r#"410 {"detail":"Worker 1 was already closed on <local instant>. Shutdown of others rejected."}"#);
        assert_eq!(app.event_types().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_is_answered_with_the_whole_worker() {
    with_app(async |app| {
        let id = app.open_worker().await;
        let answer = app.tell(Method::POST, "/worker/heartbeat", &worker(id)).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":1,"created_date":"<instant>","end_date":null,"last_heartbeat":"<instant>"}"#);
        let early = r#"{"worker_id":1,"created_date":"2026-01-02T03:04:05.712108+00:00"}"#;
        let answer = send(&app.worker_dal, untyped(Method::POST, "/worker/heartbeat", early)).await;
        assert_snapshot!(answer, @r#"200 {"worker_id":1,"created_date":"<instant>","end_date":null,"last_heartbeat":"<instant>"}"#);
        assert_eq!(app.event_types().await, ["WorkerRegistered"]);
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_of_nobody_is_a_bad_request() {
    with_app(async |app| {
        for body in
            [worker(7), json!({}), json!({"worker_id": -1}), json!({"worker_id": 1_i64 << 40})]
        {
            let answer = app.tell(Method::POST, "/worker/heartbeat", &body).await;
            assert_eq!(answer.to_string(), r#"400 {"detail":"Worker not found"}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_of_a_closed_worker_is_gone() {
    with_app(async |app| {
        let id = app.open_worker().await;
        app.tell(Method::PUT, "/worker/shutdown", &worker(id)).await;
        let answer = app.tell(Method::POST, "/worker/heartbeat", &worker(id)).await;
        assert_snapshot!(answer, @r#"410 {"detail":"Worker 1 was already closed on <local instant>. Heartbeat rejected."}"#);
    })
    .await;
}

#[tokio::test]
async fn a_worker_begins_an_instance() {
    with_app(async |app| {
        let id = app.open_worker().await;
        let answer = app.tell(Method::POST, "/server/instance/create", &instance(0, id)).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":1,"game_server_config_id":1,"worker_id":1,"created_date":"<instant>"}"#);
        let created = app.last_event().await;
        assert_eq!(answer.position(), Some(created.position.0));
        assert_eq!(payload(&created)["game_server_id"], 1);
        assert_eq!(created.metadata().unwrap().actor_id, "worker/1");

        let early = r#"{"game_server_config_id":2,"worker_id":1}"#;
        let request = untyped(Method::POST, "/server/instance/create", early);
        let answer = send(&app.worker_dal, request).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":2,"game_server_config_id":2,"worker_id":1,"created_date":"<instant>"}"#);
    })
    .await;
}

#[tokio::test]
async fn an_instance_needs_an_open_worker_and_a_config() {
    with_app(async |app| {
        let id = app.open_worker().await;
        let path = "/server/instance/create";
        let body = json!({"game_server_config_id": 1, "worker_id": 7});
        assert_snapshot!(app.tell(Method::POST, path, &body).await, @r#"404 {"detail":"Worker not found"}"#);
        for config_id in [json!(77), json!(1_i64 << 40)] {
            let body = json!({"game_server_config_id": config_id, "worker_id": id});
            assert_eq!(app.tell(Method::POST, path, &body).await.to_string(), r#"404 {"detail":"Config not found"}"#);
        }
        app.tell(Method::PUT, "/worker/shutdown", &worker(id)).await;
        let answer = app.tell(Method::POST, path, &instance(0, id)).await;
        assert_snapshot!(answer, @r#"410 {"detail":"Worker 1 was already closed on <local instant>. Instance creation rejected."}"#);
    })
    .await;
}

#[tokio::test]
async fn an_instance_without_a_config_or_worker_does_not_fit() {
    with_app(async |app| {
        let body = json!({"worker_id": null});
        let answer = app.tell(Method::POST, "/server/instance/create", &body).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":{"worker_id":null},"loc":["body","game_server_config_id"],"msg":"Field required","type":"missing"},{"input":null,"loc":["body","worker_id"],"msg":"Input should be a valid integer","type":"int_type"}]}"#);
    })
    .await;
}

#[tokio::test]
async fn a_worker_ends_an_instance_and_may_repeat_itself_at_once() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let id = app.begin_instance(worker_id).await;
        let body = instance(id, worker_id);
        let answer = app.tell(Method::PUT, "/server/instance/shutdown", &body).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":1,"game_server_config_id":1,"worker_id":1,"created_date":"<instant>","end_date":"<instant>","last_heartbeat":null}"#);
        let closed = app.last_event().await;
        assert_eq!(answer.position(), Some(closed.position.0));
        assert_eq!(closed.metadata().unwrap().actor_id, "worker/1");

        let again = app.tell(Method::PUT, "/server/instance/shutdown", &body).await;
        assert_eq!((again.text.as_str(), again.position()), (answer.text.as_str(), None));
        assert_eq!(app.last_event().await.position, closed.position);
    })
    .await;
}

#[tokio::test]
async fn a_worker_may_end_an_instance_that_the_system_ended() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let id = app.begin_instance(worker_id).await;
        let closed_at = now() - TimeDelta::hours(1);
        let by = InstanceClosedBy::WorkerClosed;
        app.instance(id, InstanceCommand::Close { at: closed_at, by }).await;
        let body = instance(id, worker_id);
        let answer = app.tell(Method::PUT, "/server/instance/shutdown", &body).await;
        assert_eq!(answer.status, 200);
        let shown = service::v1::time::Iso(closed_at).to_string();
        assert_eq!(answer.json()["end_date"], shown);
    })
    .await;
}

#[tokio::test]
async fn a_worker_does_not_end_an_instance_twice() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let id = app.begin_instance(worker_id).await;
        let (at, by) = (now() - TimeDelta::seconds(61), InstanceClosedBy::Shutdown);
        app.instance(id, InstanceCommand::Close { at, by }).await;
        let body = instance(id, worker_id);
        let answer = app.tell(Method::PUT, "/server/instance/shutdown", &body).await;
        assert_snapshot!(answer, @r#"409 {"detail":"Game server instance 1 was already closed on <local instant>. Shutdown rejected."}"#);
    })
    .await;
}

#[tokio::test]
async fn an_end_of_no_instance_is_not_found() {
    with_app(async |app| {
        for body in [json!({}), instance(7, 1), json!({"game_server_instance_id": 1_i64 << 40})] {
            let answer = app.tell(Method::PUT, "/server/instance/shutdown", &body).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Instance not found"}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn instances_have_heartbeats_also_after_their_end() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let id = app.begin_instance(worker_id).await;
        let beat = || Request::post("/server/instance/heartbeat/1").body(Body::empty()).unwrap();
        let answer = send(&app.worker_dal, beat()).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":1,"game_server_config_id":1,"worker_id":1,"created_date":"<instant>","end_date":null,"last_heartbeat":"<instant>"}"#);
        app.report_instance(id, StatusType::Complete).await;
        app.tell(Method::PUT, "/server/instance/shutdown", &instance(id, worker_id)).await;
        let answer = send(&app.worker_dal, beat()).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":1,"game_server_config_id":1,"worker_id":1,"created_date":"<instant>","end_date":"<instant>","last_heartbeat":"<instant>"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_of_no_instance_is_not_found() {
    with_app(async |app| {
        for (id, expected) in [
            ("7", r#"404 {"detail":"Instance not found"}"#),
            ("99999999999", r#"404 {"detail":"Instance not found"}"#),
            ("x", r#"422 {"detail":[{"input":"x","loc":["path","id"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"}]}"#),
        ] {
            let request = untyped(Method::POST, &format!("/server/instance/heartbeat/{id}"), "");
            assert_eq!(send(&app.worker_dal, request).await.to_string(), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn earlier_workers_live_on_json_that_does_not_say_so() {
    with_app(async |app| {
        let worker = r#"{"worker_id":1,"created_date":"2026-01-02T03:04:05.712108+00:00"}"#;
        let new_instance = r#"{"game_server_config_id":1,"worker_id":1}"#;
        let instance = r#"{"game_server_instance_id":1,"game_server_config_id":1,"worker_id":1}"#;
        for (method, path, body) in [
            (Method::POST, "/worker/create", ""),
            (Method::PUT, "/worker/shutdown/other", worker),
            (Method::POST, "/worker/heartbeat", worker),
            (Method::POST, "/server/instance/create", new_instance),
            (Method::POST, "/server/instance/heartbeat/1", ""),
            (Method::PUT, "/server/instance/shutdown", instance),
            (Method::PUT, "/worker/shutdown", worker),
        ] {
            let answer = send(&app.worker_dal, untyped(method, path, body)).await;
            assert_eq!(answer.status, 200, "{path}: {answer}");
            assert_eq!(answer.headers["content-type"], "application/json");
        }
        let lived = ["WorkerRegistered", "InstanceCreated", "InstanceClosed", "WorkerClosed"];
        assert_eq!(app.event_types().await, lived);
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_is_in_the_next_read() {
    with_app(async |app| {
        let worker_id = app.open_worker().await;
        let id = app.begin_instance(worker_id).await;
        sqlx::query(
            "INSERT INTO read_models.game_server_instances
                 (game_server_instance_id, game_server_config_id, game_server_id, worker_id, created_date,
                  has_crashed, created_position, position)
             VALUES ($1, $2, $3, $4, now(), false, 0, 0)",
        )
        .bind(GameServerInstanceId(id).0)
        .bind(GameServerConfigId(1).0)
        .bind(GameServerId(1).0)
        .bind(worker_id)
        .execute(&app.pool)
        .await
        .unwrap();
        send(&app.worker_dal, untyped(Method::POST, "/server/instance/heartbeat/1", "")).await;
        let read = Request::get("/server/instance/1").body(Body::empty()).unwrap();
        let answer = send(&app.worker_dal, read).await;
        assert_snapshot!(answer, @r#"200 {"game_server_instance_id":1,"game_server_config_id":1,"worker_id":1,"created_date":"<instant>","end_date":null,"last_heartbeat":"<instant>"}"#);
    })
    .await;
}
