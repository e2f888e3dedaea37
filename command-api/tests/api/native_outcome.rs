//! What came of commands, as agents tell it.

use axum::http::Method;
use domain::worker::{Request, WorkerCommand};
use domain::{GameServerConfigId, RequestId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, App, context, now, payload, with_app, with_fragile_app};

const COMMAND: Uuid = Uuid::from_u128(0xC);

/// Worker 1, which was asked to start config 1.
async fn asked(app: &App) {
    assert_eq!(app.register("host-1", Uuid::from_u128(0xA)).await.status, 201);
    ask(app, COMMAND).await;
}

async fn ask(app: &App, command_id: Uuid) {
    let command = WorkerCommand::Request {
        request_id: RequestId(command_id),
        request: Request::Start { game_server_config_id: GameServerConfigId(1) },
        at: now(),
        deadline: now(),
    };
    app.store.workers.execute("1", command, &context()).await.unwrap();
}

async fn tell(app: &App, command_id: Uuid, outcome: &Value) -> Answer {
    let path = format!("/v1/workers/1/commands/{command_id}/outcome");
    app.tell(Method::PUT, &path, outcome).await
}

#[tokio::test]
async fn each_outcome_is_recorded_on_behalf_of_the_agent() {
    with_app(async |app| {
        asked(app).await;
        for (body, event_type, key, value) in [
            (
                json!({"outcome": "fulfilled", "game_server_instance_id": "12"}),
                "RequestFulfilled",
                "game_server_instance_id",
                json!(12),
            ),
            (
                json!({"outcome": "fulfilled"}),
                "RequestFulfilled",
                "game_server_instance_id",
                json!(null),
            ),
            (
                json!({"outcome": "refused", "reason": "it runs already"}),
                "RequestRefused",
                "reason",
                json!("it runs already"),
            ),
            (
                json!({"outcome": "failed", "reason": "no\0pe"}),
                "RequestFailed",
                "reason",
                json!("no\u{fffd}pe"),
            ),
        ] {
            let command_id = Uuid::now_v7();
            ask(app, command_id).await;
            let answer = tell(app, command_id, &body).await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{body}");
            let event = app.last_event().await;
            assert_eq!((event.event_type.as_str(), &payload(&event)[key]), (event_type, &value));
            assert_eq!(payload(&event)["request_id"], json!(command_id));
            assert_eq!(event.metadata().unwrap().actor_id, "worker/1");
            assert_eq!(answer.position(), Some(event.position.0));
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_outcome_stays() {
    with_app(async |app| {
        asked(app).await;
        tell(app, COMMAND, &json!({"outcome": "fulfilled"})).await;
        let answer = tell(app, COMMAND, &json!({"outcome": "failed", "reason": "no"})).await;
        assert_eq!((answer.status.as_u16(), answer.position()), (204, None));
        assert_eq!(app.last_event().await.event_type, "RequestFulfilled");
    })
    .await;
}

#[tokio::test]
async fn an_outcome_of_what_nobody_asked_changes_nothing() {
    with_app(async |app| {
        asked(app).await;
        let answer = tell(app, Uuid::from_u128(99), &json!({"outcome": "fulfilled"})).await;
        assert_eq!(answer.status, 204);
        assert_eq!(app.last_event().await.event_type, "StartRequested");
    })
    .await;
}

#[tokio::test]
async fn an_outcome_is_not_lost_where_the_command_was_not_yet_heard_of() {
    with_app(async |app| {
        asked(app).await;
        let other = App::on(app.pool.clone());
        // The worker is in the other process's memory, and what happens next is told to nobody.
        tell(&other, COMMAND, &json!({"outcome": "fulfilled"})).await;
        sqlx::query(
            "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
             INSERT INTO events
             SELECT head.position, e.aggregate_type, e.aggregate_id,
                    (SELECT max(sequence) + 1 FROM events
                      WHERE aggregate_type = 'worker' AND aggregate_id = '1'),
                    e.event_type, e.event_version,
                    replace(e.payload::text, $1, $2)::json, e.metadata, gen_random_uuid(), now()
               FROM events e, head WHERE e.event_type = 'StartRequested'",
        )
        .bind(COMMAND.to_string())
        .bind(Uuid::from_u128(0xD).to_string())
        .execute(&app.pool)
        .await
        .unwrap();
        tell(&other, Uuid::from_u128(0xD), &json!({"outcome": "fulfilled"})).await;
        assert_eq!(app.last_event().await.event_type, "RequestFulfilled");
        assert_eq!(payload(&app.last_event().await)["request_id"], json!(Uuid::from_u128(0xD)));
    })
    .await;
}

#[tokio::test]
async fn an_outcome_that_does_not_fit_is_refused() {
    with_app(async |app| {
        asked(app).await;
        for body in [
            json!({}),
            json!({"outcome": "timed_out"}),
            json!({"outcome": "pending"}),
            json!({"outcome": "refused"}),
            json!({"outcome": "failed", "reason": null}),
            json!({"outcome": "fulfilled", "game_server_instance_id": 12}),
        ] {
            let answer = tell(app, COMMAND, &body).await;
            assert_eq!(answer.problem(), (422, "invalid_body".to_owned()), "{body}");
        }
        let fulfilled = json!({"outcome": "fulfilled"});
        for (path, parameter) in [
            ("/v1/workers/x/commands/00000000-0000-0000-0000-00000000000c/outcome", "id"),
            ("/v1/workers/1/commands/12/outcome", "command_id"),
        ] {
            let answer = app.tell(Method::PUT, path, &fulfilled).await;
            assert_eq!(answer.problem(), (422, "invalid_parameter".to_owned()));
            assert_eq!(answer.json()["parameter"], parameter);
        }
        for worker in ["99", "2147483648"] {
            let path = format!("/v1/workers/{worker}/commands/{COMMAND}/outcome");
            let answer = app.tell(Method::PUT, &path, &fulfilled).await;
            assert_eq!(answer.problem(), (404, "worker_not_found".to_owned()));
        }
        assert_eq!(app.last_event().await.event_type, "StartRequested");
    })
    .await;
}

#[tokio::test]
async fn an_outcome_is_told_again_after_the_database_was_away() {
    with_fragile_app(async |app, database| {
        asked(app).await;
        database.cut().await;
        let answer = tell(app, COMMAND, &json!({"outcome": "fulfilled"})).await;
        assert_eq!(answer.problem(), (503, "unavailable".to_owned()));
        database.restore().await;
        assert_eq!(tell(app, COMMAND, &json!({"outcome": "fulfilled"})).await.status, 204);
        assert_eq!(app.last_event().await.event_type, "RequestFulfilled");
    })
    .await;
}
