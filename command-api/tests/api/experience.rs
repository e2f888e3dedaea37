//! What users and bots ask for: every command of the Experience API and every way it can be refused.

use crate::support::{App, now, payload, post, send, untyped, with_app, with_header};
use axum::http::Method;
use chrono::TimeDelta;
use domain::game_server_instance::{InstanceClosedBy, InstanceCommand};
use domain::{Instant, StatusType};
use insta::assert_snapshot;
use serde_json::json;

#[tokio::test]
async fn what_is_for_the_current_worker_needs_one_before_anything_else() {
    with_app(async |app| {
        for path in [
            "/worker/shutdown",
            "/gameserver/1/start",
            "/gameserver/x/start",
            "/gameserver/x/stop",
            "/gameserver/x/stdin",
            "/gameserver/instance/x/command",
        ] {
            let answer = app.ask(path, &json!({"commands": 7})).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Worker not found"}"#);
        }
        assert!(app.events().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_current_worker_is_asked_to_shut_down() {
    with_app(async |app| {
        app.open_worker().await;
        let answer = send(&app.experience, untyped(Method::POST, "/worker/shutdown", "")).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Shutdown command sent to worker 1"}"#);
        let asked = app.last_event().await;
        assert_eq!(asked.event_type, "ShutdownRequested");
        assert_eq!(answer.position(), Some(asked.position.0));
        assert_eq!(seconds_to_deadline(&payload(&asked)), 120);
    })
    .await;
}

#[tokio::test]
async fn a_config_is_started_and_stopped_on_the_newest_worker() {
    with_app(async |app| {
        app.open_worker().await;
        app.open_worker().await;
        let answer = app.ask("/gameserver/1/start", &json!(null)).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Start command sent to worker 2"}"#);
        let start = app.last_event().await;
        assert_eq!((start.event_type.as_str(), start.aggregate_id.as_str()), ("StartRequested", "2"));
        assert_eq!(payload(&start)["game_server_config_id"], 1);
        assert_eq!(seconds_to_deadline(&payload(&start)), 300);

        let answer = app.ask("/gameserver/ 1.0/stop".replace(' ', "%20").as_str(), &json!(null)).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Stop command sent to worker 2"}"#);
        let stop = app.last_event().await;
        assert_eq!(stop.event_type, "StopRequested");
        assert_eq!(seconds_to_deadline(&payload(&stop)), 120);
    })
    .await;
}

#[tokio::test]
async fn a_config_that_does_not_exist_is_not_started() {
    with_app(async |app| {
        app.open_worker().await;
        for id in ["77", "99999999999", "-1"] {
            let answer = app.ask(&format!("/gameserver/{id}/start"), &json!(null)).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Config not found"}"#);
        }
        let answer = app.ask("/gameserver/x/start", &json!(null)).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":"x","loc":["path","id"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"}]}"#);
        assert_eq!(app.event_types().await, ["WorkerRegistered"]);
    })
    .await;
}

#[tokio::test]
async fn words_are_sent_to_a_console() {
    with_app(async |app| {
        app.open_worker().await;
        let body = json!({"commands": ["changelevel de_nuke"]});
        let answer = app.ask("/gameserver/1/stdin", &body).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Stdin command sent to worker 1"}"#);
        let sent = payload(&app.last_event().await);
        assert_eq!(sent["words"], json!(["changelevel de_nuke"]));
        assert_eq!(sent["game_server_instance_id"], json!(null));
        assert_eq!(seconds_to_deadline(&sent), 30);
        let answer = app.ask("/gameserver/1/stdin", &json!({"commands": []})).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Stdin command sent to worker 1"}"#);
    })
    .await;
}

#[tokio::test]
async fn what_would_wedge_a_worker_is_not_sent_to_its_console() {
    with_app(async |app| {
        app.open_worker().await;
        let answer = app.ask("/gameserver/1/stdin", &json!({"commands": ["say", "grüß dich"]})).await;
        assert_snapshot!(answer, @r#"400 {"detail":"Console words of a v1 worker must be ASCII, but \"grüß dich\" is not"}"#);
        let answer = app.ask("/gameserver/1/stdin", &json!({"commands": ["say\nquit"]})).await;
        assert_snapshot!(answer, @r#"400 {"detail":"Console words must not contain control characters, but \"say\\nquit\" does"}"#);
        assert_eq!(app.event_types().await, ["WorkerRegistered"]);
    })
    .await;
}

#[tokio::test]
async fn words_that_are_none_do_not_fit() {
    with_app(async |app| {
        app.open_worker().await;
        let answer = app.ask("/gameserver/x/stdin", &json!({"commands": [7]})).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":"x","loc":["path","id"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"},{"input":7,"loc":["body","commands",0],"msg":"Input should be a valid string","type":"string_type"}]}"#);
        let answer = app.ask("/gameserver/1/stdin", &json!({"commands": "quit"})).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":"quit","loc":["body","commands"],"msg":"Input should be a valid list","type":"list_type"}]}"#);
        let answer = app.ask("/gameserver/1/stdin", &json!({})).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":{},"loc":["body","commands"],"msg":"Field required","type":"missing"}]}"#);
    })
    .await;
}

#[tokio::test]
async fn events_say_who_asked_why_and_with_which_request() {
    with_app(async |app| {
        app.open_worker().await;
        let id = "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
        let request = with_header(post("/gameserver/1/start", &json!(null)), "manman-actor", "Zoë");
        let request = with_header(request, "manman-reason", "match night");
        send(&app.experience, with_header(request, "x-request-id", id)).await;
        let metadata = app.last_event().await.metadata().unwrap();
        assert_eq!(
            (metadata.actor_id.as_str(), metadata.reason.as_deref()),
            ("Zoë", Some("match night"))
        );
        assert_eq!(metadata.correlation_id.to_string(), id);
        assert_eq!(payload(&app.last_event().await)["request_id"], metadata.command_id.to_string());

        app.ask("/gameserver/1/start", &json!(null)).await;
        let metadata = app.last_event().await.metadata().unwrap();
        assert_eq!((metadata.actor_id.as_str(), metadata.reason), ("anonymous", None));
    })
    .await;
}

/// Templates 1 and 2 of game server 1; defaults 1 (visible) and 2 (not).
async fn prepare(app: &App) -> i32 {
    let worker_id = app.open_worker().await;
    app.add_template(1, "changelevel {map} {value} {other}").await;
    app.add_template(2, "say {value}").await;
    app.add_default(1, 1, "de_nuke", true).await;
    app.add_default(2, 1, "de_dust", false).await;
    app.begin_instance(worker_id).await
}

#[tokio::test]
async fn a_default_command_is_executed() {
    with_app(async |app| {
        prepare(app).await;
        let body = json!({"command_type": "default", "command_id": 1});
        let answer = app.ask("/gameserver/instance/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Command sent to instance 1","command":"changelevel de_nuke de_nuke {other}"}"#);
        let sent = app.last_event().await;
        assert_eq!(answer.position(), Some(sent.position.0));
        assert_eq!(payload(&sent)["words"], json!(["changelevel de_nuke de_nuke {other}"]));
        assert_eq!(payload(&sent)["game_server_config_id"], 1);
        assert_eq!(payload(&sent)["game_server_instance_id"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_config_command_is_executed_with_the_value_given() {
    with_app(async |app| {
        prepare(app).await;
        let body = json!({"game_server_command_id": 2, "command_value": "hello"});
        let answer = app.ask("/gameserver/config/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"game_server_config_command_id":1,"game_server_config_id":1,"game_server_command_id":2,"command_value":"hello","description":null,"is_visible":true}"#);

        let body = json!({"command_type": "config", "command_id": 1, "custom_value": ""});
        let answer = app.ask("/gameserver/instance/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Command sent to instance 1","command":"say hello"}"#);
        let body = json!({"command_type": "config", "command_id": 1, "custom_value": "{map} {value}"});
        let answer = app.ask("/gameserver/instance/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"status":"success","message":"Command sent to instance 1","command":"say {map} {value}"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_command_goes_to_the_worker_that_runs_the_instance() {
    with_app(async |app| {
        prepare(app).await;
        app.open_worker().await;
        let body = json!({"command_type": "default", "command_id": 1});
        app.ask("/gameserver/instance/1/command", &body).await;
        assert_eq!(app.last_event().await.aggregate_id, "1");

        app.tell(Method::PUT, "/worker/shutdown", &json!({"worker_id": 1})).await;
        let answer = app.ask("/gameserver/instance/1/command", &body).await;
        assert_snapshot!(answer, @r#"400 {"detail":"Cannot execute command on an instance whose worker is closed"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_command_needs_an_instance_that_is_not_over() {
    with_app(async |app| {
        prepare(app).await;
        let body = json!({"command_type": "nonsense", "command_id": 1});
        for id in ["7", "99999999999"] {
            let answer = app.ask(&format!("/gameserver/instance/{id}/command"), &body).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Instance not found"}"#);
        }
        app.report_instance(1, StatusType::Crashed).await;
        let answer = app.ask("/gameserver/instance/1/command", &body).await;
        assert_snapshot!(answer, @r#"400 {"detail":"Cannot execute command on crashed instance"}"#);

        let ended = app.begin_instance(1).await;
        let (at, by) = (now(), InstanceClosedBy::Shutdown);
        app.instance(ended, InstanceCommand::Close { at, by }).await;
        let answer = app.ask("/gameserver/instance/2/command", &body).await;
        assert_snapshot!(answer, @r#"400 {"detail":"Cannot execute command on crashed instance"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_command_must_be_offered_for_the_instance() {
    with_app(async |app| {
        prepare(app).await;
        let path = "/gameserver/instance/1/command";
        for id in [json!(2), json!(7), json!(1_i64 << 40)] {
            let body = json!({"command_type": "default", "command_id": id});
            assert_eq!(app.ask(path, &body).await.to_string(), r#"404 {"detail":"Default command not found"}"#);
            let body = json!({"command_type": "config", "command_id": id});
            assert_eq!(app.ask(path, &body).await.to_string(), r#"404 {"detail":"Config command not found"}"#);
        }
        let body = json!({"command_type": "nonsense", "command_id": 1});
        assert_snapshot!(app.ask(path, &body).await, @r#"400 {"detail":"Invalid command_type (must be 'default' or 'config')"}"#);
        let body = json!({"command_type": "default", "command_id": 1, "custom_value": "a\nb"});
        assert_snapshot!(app.ask(path, &body).await, @r#"400 {"detail":"A command value must not contain control characters, but \"a\\nb\" does"}"#);
        let body = json!({"command_type": 1, "custom_value": 2});
        assert_snapshot!(app.ask(path, &body).await, @r#"422 {"detail":[{"input":1,"loc":["body","command_type"],"msg":"Input should be a valid string","type":"string_type"},{"input":{"command_type":1,"custom_value":2},"loc":["body","command_id"],"msg":"Field required","type":"missing"},{"input":2,"loc":["body","custom_value"],"msg":"Input should be a valid string","type":"string_type"}]}"#);
    })
    .await;
}

#[tokio::test]
async fn a_config_offers_a_command_and_value_once() {
    with_app(async |app| {
        prepare(app).await;
        let body = json!({"game_server_command_id": 1, "command_value": "x", "description": "d"});
        let answer = app.ask("/gameserver/config/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"game_server_config_command_id":1,"game_server_config_id":1,"game_server_command_id":1,"command_value":"x","description":"d","is_visible":true}"#);
        assert_eq!(answer.position(), Some(app.last_event().await.position.0));
        let answer = app.ask("/gameserver/config/1/command", &body).await;
        assert_snapshot!(answer, @r#"409 {"detail":"Command with this value already exists for this config"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_config_offers_only_what_its_game_server_understands() {
    with_app(async |app| {
        prepare(app).await;
        let body = json!({"game_server_command_id": 1, "command_value": "x"});
        for id in ["77", "99999999999"] {
            let answer = app.ask(&format!("/gameserver/config/{id}/command"), &body).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Config not found"}"#);
        }
        // Config 2 starts another game server.
        let answer = app.ask("/gameserver/config/2/command", &body).await;
        assert_snapshot!(answer, @r#"404 {"detail":"Command not found"}"#);
        let answer = app.ask("/gameserver/config/x/command", &json!({})).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":"x","loc":["path","config_id"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"},{"input":{},"loc":["body","game_server_command_id"],"msg":"Field required","type":"missing"},{"input":{},"loc":["body","command_value"],"msg":"Field required","type":"missing"}]}"#);
        let body = json!({"game_server_command_id": 1, "command_value": "\0"});
        let answer = app.ask("/gameserver/config/1/command", &body).await;
        assert_snapshot!(answer, @r#"400 {"detail":"The command value contains a NUL character"}"#);
    })
    .await;
}

#[tokio::test]
async fn a_game_server_joins_the_catalogue() {
    with_app(async |app| {
        let body = json!({"name": "factorio", "server_type": "STEAM", "app_id": "427520"});
        let answer = app.ask("/gameserver/types", &body).await;
        assert_snapshot!(answer, @r#"200 {"game_server_id":4,"name":"factorio","server_type":"STEAM","app_id":427520}"#);
        assert_eq!(answer.position(), Some(app.last_event().await.position.0));
    })
    .await;
}

#[tokio::test]
async fn names_and_app_ids_of_game_servers_are_unique() {
    with_app(async |app| {
        for (name, app_id) in [("cs2", 1), ("other", 730)] {
            let body = json!({"name": name, "server_type": "STEAM", "app_id": app_id});
            let answer = app.ask("/gameserver/types", &body).await;
            assert_eq!(
                answer.to_string(),
                r#"409 {"detail":"Game server with this name already exists"}"#
            );
        }
        assert!(app.events().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_game_server_that_cannot_be_is_refused() {
    with_app(async |app| {
        let path = "/gameserver/types";
        for server_type in ["steam", "1", "LOCAL", ""] {
            let body = json!({"name": "n", "server_type": server_type, "app_id": 1});
            assert_eq!(app.ask(path, &body).await.to_string(), r#"400 {"detail":"Invalid server_type (must be 'STEAM')"}"#);
        }
        let body = json!({"name": "n", "server_type": 1, "app_id": 1.5});
        assert_snapshot!(app.ask(path, &body).await, @r#"422 {"detail":[{"input":1,"loc":["body","server_type"],"msg":"Input should be a valid string","type":"string_type"},{"input":1.5,"loc":["body","app_id"],"msg":"Input should be a valid integer, got a number with a fractional part","type":"int_from_float"}]}"#);
        let body = json!({"name": "n", "server_type": "STEAM", "app_id": 2_147_483_648_i64});
        assert_snapshot!(app.ask(path, &body).await, @r#"422 {"detail":[{"ctx":{"le":2147483647},"input":2147483648,"loc":["body","app_id"],"msg":"Input should be less than or equal to 2147483647","type":"less_than_equal"}]}"#);
        let body = json!({"name": "n", "server_type": "STEAM", "app_id": -2_147_483_649_i64});
        assert_snapshot!(app.ask(path, &body).await, @r#"422 {"detail":[{"ctx":{"ge":-2147483648},"input":-2147483649,"loc":["body","app_id"],"msg":"Input should be greater than or equal to -2147483648","type":"greater_than_equal"}]}"#);
        assert!(app.events().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_game_server_learns_a_command() {
    with_app(async |app| {
        let body = json!({"name": "n", "command": "c", "is_visible": true});
        let answer = app.ask("/gameserver/types/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"game_server_command_id":1,"game_server_id":1,"name":"n","command":"c","description":null,"is_visible":true}"#);
        assert_eq!(answer.position(), Some(app.last_event().await.position.0));
        let body = json!({"name": "", "command": "", "description": "d", "is_visible": "no"});
        let answer = app.ask("/gameserver/types/1/command", &body).await;
        assert_snapshot!(answer, @r#"200 {"game_server_command_id":2,"game_server_id":1,"name":"","command":"","description":"d","is_visible":false}"#);
    })
    .await;
}

#[tokio::test]
async fn a_command_name_is_unique_within_its_game_server() {
    with_app(async |app| {
        let body = json!({"name": "n", "command": "c"});
        app.ask("/gameserver/types/1/command", &body).await;
        let answer = app.ask("/gameserver/types/1/command", &body).await;
        assert_snapshot!(answer, @r#"409 {"detail":"Command with this name already exists for this game server"}"#);
        let answer = app.ask("/gameserver/types/2/command", &body).await;
        assert_eq!(answer.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_command_needs_its_game_server() {
    with_app(async |app| {
        let body = json!({"name": "n", "command": "c"});
        for id in ["77", "99999999999"] {
            let answer = app.ask(&format!("/gameserver/types/{id}/command"), &body).await;
            assert_eq!(answer.to_string(), r#"404 {"detail":"Game server not found"}"#);
        }
        let body = json!({"command": "c", "is_visible": null});
        let answer = app.ask("/gameserver/types/x/command", &body).await;
        assert_snapshot!(answer, @r#"422 {"detail":[{"input":"x","loc":["path","game_server_id"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"},{"input":{"command":"c","is_visible":null},"loc":["body","name"],"msg":"Field required","type":"missing"},{"input":null,"loc":["body","is_visible"],"msg":"Input should be a valid boolean","type":"bool_type"}]}"#);
    })
    .await;
}

fn seconds_to_deadline(request: &serde_json::Value) -> i64 {
    let instant = |name: &str| request[name].as_str().unwrap().parse::<Instant>().unwrap();
    let given: TimeDelta = instant("deadline") - instant("requested_at");
    given.num_seconds()
}
