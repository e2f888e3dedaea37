//! Game servers and configs that users add, and how configs are supervised.

use axum::http::Method;
use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{
    Answer, App, json_request, payload, post, send, with_app, with_fragile_app, with_header,
};

const SERVERS: &str = "/v1/game-servers";
const CONFIGS: &str = "/v1/game-server-configs";

/// A config of a game server, with these keys in place of the usual ones.
fn config(game_server_id: &str, more: &Value) -> Value {
    let mut config = json!({
        "game_server_id": game_server_id,
        "name": "demo",
        "executable": "bin/server",
    });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// Adds a LOCAL game server, number 4.
async fn local(app: &App) {
    let body = json!({"name": "demo", "server_type": "LOCAL"});
    assert_eq!(app.ask(SERVERS, &body).await.json()["game_server_id"], "4");
}

async fn supervise(app: &App, id: &str, body: &Value) -> Answer {
    let path = format!("{CONFIGS}/{id}/supervision");
    send(&app.experience, json_request(Method::PUT, &path, body)).await
}

async fn keyed(app: &App, path: &str, body: &Value, key: &str) -> Answer {
    send(&app.experience, with_header(post(path, body), "idempotency-key", key)).await
}

#[tokio::test]
async fn a_game_server_is_added_with_the_app_id_it_has_or_with_its_own_id_for_one() {
    with_app(async |app| {
        let steam = json!({"name": "factorio", "server_type": "STEAM", "app_id": 427_520});
        let answer = app.ask(SERVERS, &steam).await;
        assert_snapshot!(answer, @r#"201 {"game_server_id":"4","name":"factorio","server_type":"STEAM","app_id":427520}"#);
        assert_eq!(answer.header("location"), "/v1/game-servers/4");
        assert_eq!(answer.position(), Some(app.last_event().await.position.0));
        let answer = app.ask(SERVERS, &json!({"name": "factorio", "server_type": "LOCAL"})).await;
        assert_snapshot!(answer, @r#"201 {"game_server_id":"5","name":"factorio","server_type":"LOCAL","app_id":5}"#);
    })
    .await;
}

#[tokio::test]
async fn names_and_app_ids_are_unique_per_type() {
    with_app(async |app| {
        for (body, code) in [
            (json!({"name": "cs2", "server_type": "STEAM", "app_id": 1}), "game_server_name_taken"),
            (
                json!({"name": "x", "server_type": "STEAM", "app_id": 730}),
                "game_server_app_id_taken",
            ),
        ] {
            assert_eq!(app.ask(SERVERS, &body).await.problem(), (409, code.to_owned()), "{body}");
        }
        assert_eq!(
            app.ask(SERVERS, &json!({"name": "cs2", "server_type": "LOCAL"})).await.status,
            201
        );
    })
    .await;
}

#[tokio::test]
async fn a_game_server_that_does_not_fit_is_refused() {
    with_app(async |app| {
        for (body, code) in [
            (json!({"name": "x"}), "invalid_body"),
            (json!({"name": "x", "server_type": "DOCKER"}), "invalid_body"),
            (json!({"name": "x", "server_type": "STEAM"}), "invalid_body"),
            (json!({"name": "x", "server_type": "LOCAL", "app_id": 1}), "invalid_body"),
            (json!({"name": " ", "server_type": "LOCAL"}), "invalid_body"),
            (json!({"name": "a\0b", "server_type": "LOCAL"}), "nul_character"),
        ] {
            assert_eq!(app.ask(SERVERS, &body).await.problem(), (422, code.to_owned()), "{body}");
        }
        assert_eq!(app.event_types().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_config_is_added_with_what_is_given_and_the_usual_for_the_rest() {
    with_app(async |app| {
        local(app).await;
        let answer = app.ask(CONFIGS, &config("4", &json!({}))).await;
        assert_snapshot!(answer, @r#"201 {"game_server_config_id":"3","game_server_id":"4","game_server_name":"demo","server_type":"LOCAL","app_id":4,"name":"demo","executable":"bin/server","args":[],"env_var":[],"post_install_commands":[],"is_default":false,"is_visible":true,"supervision":{"stop_line":null,"stop_grace_seconds":10,"restart":"never","restart_limit":5,"restart_window_seconds":600}}"#);
        assert_eq!(answer.header("location"), "/v1/game-server-configs/3");
        assert_eq!(app.event_types().await, ["GameServerAdded", "GameServerConfigAdded"]);
        assert_eq!(answer.position(), Some(app.last_event().await.position.0));

        let full = config(
            "4",
            &json!({
                "name": "full",
                "executable": "/usr/bin/demo",
                "args": ["--tick", "1 s"],
                "env_var": ["A=b=c"],
                "post_install_commands": ["true"],
                "is_default": true,
                "is_visible": false,
                "supervision": {
                    "stop_line": "quit", "stop_grace_seconds": 0, "restart": "on_failure",
                    "restart_limit": 3, "restart_window_seconds": 60,
                },
            }),
        );
        let answer = app.ask(CONFIGS, &full).await;
        assert_snapshot!(answer, @r#"201 {"game_server_config_id":"4","game_server_id":"4","game_server_name":"demo","server_type":"LOCAL","app_id":4,"name":"full","executable":"/usr/bin/demo","args":["--tick","1 s"],"env_var":["A=b=c"],"post_install_commands":["true"],"is_default":true,"is_visible":false,"supervision":{"stop_line":"quit","stop_grace_seconds":0,"restart":"on_failure","restart_limit":3,"restart_window_seconds":60}}"#);
        let set = app.last_event().await;
        assert_eq!(
            (set.event_type.as_str(), &payload(&set)["restart"]),
            ("SupervisionSet", &json!("on_failure"))
        );
        assert_eq!(answer.position(), Some(set.position.0));
    })
    .await;
}

#[tokio::test]
async fn a_config_that_does_not_fit_is_refused_and_nothing_of_it_is_added() {
    with_app(async |app| {
        local(app).await;
        for (id, more, code) in [
            ("4", json!({"name": ""}), "invalid_body"),
            ("4", json!({"executable": " "}), "invalid_body"),
            ("4", json!({"args": "x"}), "invalid_body"),
            ("4", json!({"env_var": ["A"]}), "invalid_env_var"),
            ("4", json!({"name": "../x"}), "outside_install_directory"),
            ("4", json!({"executable": "/usr/../bin/sh"}), "outside_install_directory"),
            ("1", json!({"executable": "/bin/sh"}), "outside_install_directory"),
            ("4", json!({"args": ["a\0b"]}), "nul_character"),
            ("4", json!({"supervision": {"stop_line": "a\nb"}}), "control_characters"),
            ("4", json!({"supervision": {"stop_grace_seconds": 121}}), "out_of_range"),
            ("4", json!({"supervision": {"restart": "sometimes"}}), "invalid_body"),
        ] {
            let answer = app.ask(CONFIGS, &config(id, &more)).await;
            assert_eq!(answer.problem(), (422, code.to_owned()), "{more}");
        }
        for unknown in ["99", "0"] {
            let answer = app.ask(CONFIGS, &config(unknown, &json!({}))).await;
            assert_eq!(answer.problem(), (404, "game_server_not_found".to_owned()));
        }
        assert_eq!(app.event_types().await, ["GameServerAdded"]);
    })
    .await;
}

#[tokio::test]
async fn a_game_server_has_one_config_of_a_name_and_one_default() {
    with_app(async |app| {
        local(app).await;
        app.ask(CONFIGS, &config("4", &json!({"is_default": true}))).await;
        let same_name = config("4", &json!({}));
        let answer = app.ask(CONFIGS, &same_name).await;
        assert_eq!(answer.problem(), (409, "game_server_config_name_taken".to_owned()));
        let second_default = config("4", &json!({"name": "other", "is_default": true}));
        let answer = app.ask(CONFIGS, &second_default).await;
        assert_eq!(answer.problem(), (409, "default_config_taken".to_owned()));
        assert_eq!(app.ask(CONFIGS, &config("1", &json!({}))).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn supervision_is_set_as_a_whole() {
    with_app(async |app| {
        let answer = supervise(app, "1", &json!({"stop_line": "quit", "restart": "always"})).await;
        assert_snapshot!(answer, @r#"200 {"stop_line":"quit","stop_grace_seconds":10,"restart":"always","restart_limit":5,"restart_window_seconds":600}"#);
        let set = app.last_event().await;
        assert_eq!(
            (set.event_type.as_str(), answer.position()),
            ("SupervisionSet", Some(set.position.0))
        );

        let again = supervise(app, "1", &json!({"stop_line": "quit", "restart": "always"})).await;
        assert_eq!(
            (again.text, again.headers.contains_key("manman-position")),
            (answer.text, false)
        );

        supervise(app, "1", &json!({})).await;
        let set = payload(&app.last_event().await);
        assert_eq!((&set["stop_line"], &set["restart"]), (&json!(null), &json!("never")));
    })
    .await;
}

#[tokio::test]
async fn supervision_that_does_not_fit_is_refused() {
    with_app(async |app| {
        for (id, body, status, code) in [
            ("99", json!({}), 404, "game_server_config_not_found"),
            ("2147483648", json!({}), 404, "game_server_config_not_found"),
            ("x", json!({}), 422, "invalid_parameter"),
            ("1", json!({"restart": 1}), 422, "invalid_body"),
            ("1", json!({"stop_line": "a\u{1b}"}), 422, "control_characters"),
            ("1", json!({"restart_limit": -1}), 422, "out_of_range"),
            ("1", json!({"restart_window_seconds": 0}), 422, "out_of_range"),
        ] {
            let answer = supervise(app, id, &body).await;
            assert_eq!(answer.problem(), (status, code.to_owned()), "{id} {body}");
        }
        assert_eq!(app.event_types().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn who_asked_and_why_is_recorded() {
    with_app(async |app| {
        let body = json!({"name": "demo", "server_type": "LOCAL"});
        let request = with_header(post(SERVERS, &body), "manman-actor", "ada");
        let request = with_header(request, "manman-reason", "game night");
        send(&app.experience, with_header(request, "x-request-id", "trace-1")).await;
        let metadata = app.last_event().await.metadata().unwrap();
        assert_eq!(
            (metadata.actor_id.as_str(), metadata.reason.as_deref()),
            ("ada", Some("game night"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_repeated_with_its_key_is_one() {
    with_app(async |app| {
        local(app).await;
        let server = json!({"name": "once", "server_type": "LOCAL"});
        let requests = [
            (SERVERS, server, "/v1/game-servers/"),
            (CONFIGS, config("4", &json!({})), "/v1/game-server-configs/"),
        ];
        for (path, body, location) in requests {
            let answers = join_all((0..20).map(|_| keyed(app, path, &body, "k"))).await;
            let other = App::on(app.pool.clone());
            let late = keyed(&other, path, &body, "k").await;
            for answer in answers.iter().chain([&late]) {
                assert_eq!((answer.status.as_u16(), &answer.text), (201, &answers[0].text));
                assert!(answer.header("location").starts_with(location), "{answer}");
                assert_eq!(answer.header("location"), answers[0].header("location"));
                assert_eq!(answer.header("content-type"), "application/json");
                assert!(answer.position().is_some());
            }
        }
        let added = ["GameServerAdded", "GameServerAdded", "GameServerConfigAdded"];
        assert_eq!(app.event_types().await, added);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_a_problem() {
    with_app(async |app| {
        let body = |name: &str| json!({"name": name, "server_type": "LOCAL"});
        keyed(app, SERVERS, &body("a"), "k").await;
        let answer = keyed(app, SERVERS, &body("b"), "k").await;
        assert_eq!(answer.problem(), (422, "idempotency_key_reused".to_owned()));
        for key in ["", "a b", &"k".repeat(256)] {
            let answer = keyed(app, SERVERS, &body("c"), key).await;
            assert_eq!(answer.problem(), (400, "invalid_idempotency_key".to_owned()), "{key:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_database_nothing_is_added_and_the_client_is_told_to_try_again() {
    with_fragile_app(async |app, database| {
        database.cut().await;
        let server = json!({"name": "demo", "server_type": "LOCAL"});
        for answer in [
            app.ask(SERVERS, &server).await,
            app.ask(CONFIGS, &config("1", &json!({}))).await,
            supervise(app, "1", &json!({})).await,
            keyed(app, SERVERS, &server, "k").await,
        ] {
            assert_eq!(answer.problem(), (503, "unavailable".to_owned()));
            assert_eq!(answer.header("retry-after"), "1");
        }
        database.restore().await;
        assert_eq!(keyed(app, SERVERS, &server, "k").await.status, 201);
    })
    .await;
}
