//! The OpenAPI description, which comes from the code.

use std::sync::Arc;

use command_api::{CommandApi, Heartbeats, RequestTimeouts};
use event_store::{EventStore, LogOptions};
use insta::assert_snapshot;
use query_api::Freshness;
use sqlx::PgPool;
use utoipa::openapi::OpenApi;

fn api() -> Arc<CommandApi> {
    let pool = PgPool::connect_lazy("postgres://nobody@localhost:1/none").unwrap();
    let store = EventStore::start(pool.clone(), LogOptions::default());
    let freshness = Freshness::new(pool.clone(), None);
    let heartbeats = Heartbeats::new(pool.clone());
    CommandApi::start(store, pool, freshness, heartbeats, RequestTimeouts::default())
}

fn endpoints(description: &OpenApi) -> String {
    let mut lines = Vec::new();
    for (path, item) in &description.paths.paths {
        for (method, operation) in [("POST", &item.post), ("PUT", &item.put)] {
            if let Some(operation) = operation {
                let statuses: Vec<_> =
                    operation.responses.responses.keys().map(String::as_str).collect();
                lines.push(format!("{method} {path} {}", statuses.join(" ")));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn every_command_of_the_experience_api_is_described() {
    let description = command_api::experience::router(api()).into_openapi();
    assert_snapshot!(endpoints(&description), @r"
    POST /gameserver/config/{config_id}/command 200 400 404 409 422
    POST /gameserver/instance/{instance_id}/command 200 400 404 422
    POST /gameserver/types 200 400 409 422
    POST /gameserver/types/{game_server_id}/command 200 400 404 409 422
    POST /gameserver/{id}/start 200 404 422
    POST /gameserver/{id}/stdin 200 400 404 422
    POST /gameserver/{id}/stop 200 404 422
    POST /worker/shutdown 200 404
    ");
}

#[tokio::test]
async fn every_command_of_the_worker_dal_api_is_described() {
    let description = command_api::worker_dal::router(api()).into_openapi();
    assert_snapshot!(endpoints(&description), @r"
    POST /server/instance/create 200 404 410 422
    POST /server/instance/heartbeat/{id} 200 404 422
    POST /worker/create 200
    POST /worker/heartbeat 200 400 410 422
    PUT /server/instance/shutdown 200 404 409 422
    PUT /worker/shutdown 200 404 409 422
    PUT /worker/shutdown/other 200 404 410 422
    ");
}

#[tokio::test]
async fn every_native_command_is_described() {
    let agents = command_api::native::agents(api()).into_openapi();
    assert_snapshot!(endpoints(&agents), @r"
    POST /v1/workers 200 201 409 422
    POST /v1/workers/{id}/heartbeat 204 404 409 410 422
    PUT /v1/workers/{id}/commands/{command_id}/outcome 204 404 422
    ");
    let users = command_api::native::users(api()).into_openapi();
    assert_snapshot!(endpoints(&users), @r"
    POST /v1/game-server-configs 201 400 404 409 422
    POST /v1/game-servers 201 400 409 422
    PUT /v1/game-server-configs/{id}/supervision 200 400 404 422
    ");
}
