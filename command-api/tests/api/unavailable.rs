//! The database is away: 503 and when to ask again, and the same process works once it is back.

use crate::support::with_fragile_app;
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn commands_are_unavailable_until_the_database_is_back() {
    with_fragile_app(async |app, database| {
        app.open_worker().await;
        let nothing = json!({});
        let begin = json!({"game_server_config_id": 1, "worker_id": 1});
        database.cut().await;
        for answer in [
            app.tell(Method::POST, "/worker/create", &nothing).await,
            app.tell(Method::POST, "/server/instance/create", &begin).await,
            app.ask("/gameserver/1/start", &nothing).await,
            app.ask("/gameserver/types/1/command", &json!({"name": "n", "command": "c"})).await,
        ] {
            assert_eq!(answer.to_string(), r#"503 {"detail":"Database unavailable"}"#);
            assert_eq!(answer.headers["retry-after"], "1");
        }
        database.restore().await;
        for answer in [
            app.tell(Method::POST, "/worker/create", &nothing).await,
            app.tell(Method::POST, "/server/instance/create", &begin).await,
            app.ask("/gameserver/1/start", &nothing).await,
        ] {
            assert_eq!(answer.status, 200, "{answer}");
        }
    })
    .await;
}
