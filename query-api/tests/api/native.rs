//! What native clients read, on all three APIs.

use axum::Router;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::{
    Database, NewInstance, NewRequest, NewWorker, at, get, get_all, get_with, native,
    native_as_found, with_database,
};

/// Status and code of a refusal, which is a problem.
async fn refusal(router: &Router, path: &str) -> (u16, Value) {
    let answer = get(router, path).await;
    assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    assert_eq!(answer.body["request_id"], answer.header("x-request-id"), "{path}");
    (answer.status.as_u16(), answer.body["code"].clone())
}

/// The ids of a page, and what it says of the next.
async fn instances(router: &Router, query: &str) -> (Vec<String>, Value) {
    let answer = get(router, &format!("/v1/game-server-instances?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ids = answer.body["game_server_instances"].as_array().unwrap().iter();
    let id = |instance: &Value| instance["game_server_instance_id"].as_str().unwrap().to_owned();
    (ids.map(id).collect(), answer.body["next"].clone())
}

async fn named_worker(database: &Database) {
    let native =
        NewWorker { id: 6, surface: "native", name: Some("host-1"), ..NewWorker::default() };
    database.worker(native).await;
    database
        .execute(
            "UPDATE read_models.workers
                SET agent_id = '00000000-0000-0000-0000-00000000000a', agent_version = '0.1.0',
                    attached_at = created_date
              WHERE worker_id = 6",
        )
        .await;
    database.heartbeat("worker", 6, at(12)).await;
}

#[tokio::test]
async fn a_worker_is_shown_with_its_agent() {
    with_database(async |database| {
        named_worker(&database).await;
        let v1 = NewWorker { id: 7, end: Some(at(60)), status: None, ..NewWorker::default() };
        database.worker(v1).await;
        let paths = ["/v1/workers/6", "/v1/workers/7"];
        assert_json_snapshot!(get_all(&native(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn an_instance_is_shown_with_what_is_known_of_its_end_and_of_its_installation() {
    with_database(async |database| {
        let crashed =
            NewInstance { status: Some("CRASHED"), end: Some(at(60)), ..Default::default() };
        database.instance(crashed).await;
        let installing = NewInstance { id: 2, status: Some("INITIALIZING"), ..Default::default() };
        database.instance(installing).await;
        database.instance(NewInstance { id: 3, status: None, ..Default::default() }).await;
        database.heartbeat("game_server_instance", 2, at(12)).await;
        database
            .execute(
                "UPDATE read_models.game_server_instances
                    SET pid = 4711, exit_code = 3, status_reason = 'exited with code 3',
                        last_lines = '{going,\"down, now\"}'
                  WHERE game_server_instance_id = 1;
                 UPDATE read_models.game_server_instances
                    SET progress_phase = 'downloading', progress_percent = 41,
                        progress_bytes_done = 1, progress_bytes_total = 5000000000
                  WHERE game_server_instance_id = 2",
            )
            .await;
        let paths = [1, 2, 3].map(|id| format!("/v1/game-server-instances/{id}"));
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_json_snapshot!(get_all(&native(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn instances_are_listed_by_worker_open_or_ended_and_in_pages() {
    with_database(async |database| {
        for id in 1..=5 {
            let end = (id % 2 == 0).then(|| at(60));
            let worker_id = if id < 5 { 6 } else { 7 };
            database.instance(NewInstance { id, worker_id, end, ..Default::default() }).await;
        }
        let router = native(&database.pool);
        for (query, ids, next) in [
            ("", vec!["1", "2", "3", "4", "5"], json!(null)),
            ("worker_id=6&open=true", vec!["1", "3"], json!(null)),
            ("worker_id=6&open=false", vec!["2", "4"], json!(null)),
            ("open=true", vec!["1", "3", "5"], json!(null)),
            ("worker_id=8", vec![], json!(null)),
            ("worker_id=2147483648", vec![], json!(null)),
            ("limit=2", vec!["1", "2"], json!("2")),
            ("limit=2&after=2", vec!["3", "4"], json!("4")),
            ("limit=2&after=3", vec!["4", "5"], json!(null)),
            ("after=2147483648", vec![], json!(null)),
        ] {
            let ids = ids.into_iter().map(str::to_owned).collect();
            assert_eq!(instances(&router, query).await, (ids, next), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_sees_all_it_runs_in_one_page() {
    with_database(async |database| {
        database
            .execute(
                "INSERT INTO read_models.game_server_instances
                        (game_server_instance_id, game_server_config_id, game_server_id, worker_id,
                         created_date, has_crashed, created_position, position)
                 SELECT id, 1, 1, 6, now(), false, id, id FROM generate_series(1, 250) id",
            )
            .await;
        let (ids, next) = instances(&native(&database.pool), "worker_id=6&open=true").await;
        assert_eq!((ids.len(), next), (250, json!(null)));
    })
    .await;
}

#[tokio::test]
async fn commands_are_shown_with_what_came_of_them() {
    with_database(async |database| {
        named_worker(&database).await;
        database.request(NewRequest { worker_id: 6, ..Default::default() }).await;
        let shutdown = NewRequest {
            id: 2,
            worker_id: 6,
            kind: "shutdown",
            config_id: None,
            requested: at(29),
            outcome: "failed",
        };
        database.request(shutdown).await;
        let line = NewRequest { id: 3, worker_id: 6, kind: "stdin", requested: at(31), ..Default::default() };
        database.request(line).await;
        database.request(NewRequest { id: 4, worker_id: 7, ..Default::default() }).await;
        database
            .execute(
                "UPDATE read_models.worker_requests SET words = '{say,\"hello, you\"}' WHERE kind = 'stdin';
                 UPDATE read_models.worker_requests
                    SET reason = 'the worker was closed', resolved_at = requested_at, position = 99999999999
                  WHERE kind = 'shutdown'",
            )
            .await;
        let paths = [
            "/v1/workers/6/commands",
            "/v1/workers/6/commands?outcome=pending",
            "/v1/commands/00000000-0000-0000-0000-000000000002",
        ];
        assert_json_snapshot!(get_all(&native(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn all_pending_commands_are_listed_and_of_others_the_last_hundred() {
    with_database(async |database| {
        named_worker(&database).await;
        for id in 1..=130_u8 {
            let (id, requested) = (u128::from(id), at(i64::from(id)));
            let outcome = if id <= 120 { "pending" } else { "fulfilled" };
            database
                .request(NewRequest { id, worker_id: 6, requested, outcome, ..Default::default() })
                .await;
        }
        let router = native(&database.pool);
        let pending = get(&router, "/v1/workers/6/commands?outcome=pending").await.body;
        let last = get(&router, "/v1/workers/6/commands").await.body;
        for (page, count, first, end) in [(pending, 120, 1, 120), (last, 100, 31, 130)] {
            let commands = page["commands"].as_array().unwrap();
            let id = |number: u128| json!(uuid::Uuid::from_u128(number));
            assert_eq!(commands.len(), count);
            assert_eq!(commands[0]["command_id"], id(first));
            assert_eq!(commands[count - 1]["command_id"], id(end));
        }
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_nobody_asked_for_anything_has_no_commands() {
    with_database(async |database| {
        named_worker(&database).await;
        let router = native(&database.pool);
        for path in ["/v1/workers/6/commands", "/v1/workers/6/commands?outcome=pending"] {
            assert_eq!(get(&router, path).await.body, json!({"commands": [], "next": null}));
        }
    })
    .await;
}

#[tokio::test]
async fn the_catalogue_is_shown_as_it_is_and_a_config_with_how_it_is_supervised() {
    with_database(async |database| {
        database.catalogue().await;
        database
            .execute(
                "UPDATE read_models.game_server_configs
                    SET stop_line = 'quit', restart = 'on_failure', restart_limit = 3
                  WHERE game_server_config_id = 2",
            )
            .await;
        let paths =
            ["/v1/game-server-configs/1", "/v1/game-server-configs/2", "/v1/game-servers/2"];
        assert_json_snapshot!(get_all(&native(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn output_is_what_the_agent_told_last() {
    with_database(async |database| {
        database
            .execute("INSERT INTO instance_output VALUES (12, 5000000000, '{one,two}', '2026-01-02T03:04:05Z')")
            .await;
        let answer = get(&native(&database.pool), "/v1/game-server-instances/12/output").await;
        assert_json_snapshot!(answer.body, @r#"
        {
          "as_of": "2026-01-02T03:04:05Z",
          "game_server_instance_id": "12",
          "lines_total": 5000000000,
          "tail": [
            "one",
            "two"
          ]
        }
        "#);
    })
    .await;
}

#[tokio::test]
async fn what_there_is_not_is_404_with_a_code() {
    with_database(async |database| {
        let router = native(&database.pool);
        for (path, code) in [
            ("/v1/workers/99", "worker_not_found"),
            ("/v1/workers/99999999999999999999", "worker_not_found"),
            ("/v1/workers/99/commands", "worker_not_found"),
            ("/v1/workers/99/commands?outcome=pending", "worker_not_found"),
            ("/v1/workers/99/events", "worker_not_found"),
            ("/v1/commands/00000000-0000-0000-0000-000000000009", "command_not_found"),
            ("/v1/game-server-instances/99", "game_server_instance_not_found"),
            ("/v1/game-server-instances/2147483648", "game_server_instance_not_found"),
            ("/v1/game-server-instances/99/output", "output_not_found"),
            ("/v1/game-server-instances/99/events", "game_server_instance_not_found"),
            ("/v1/game-server-configs/99", "game_server_config_not_found"),
            ("/v1/game-servers/99", "game_server_not_found"),
            ("/v1/nothing", "not_found"),
        ] {
            assert_eq!(refusal(&router, path).await, (404, json!(code)), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_parameter_that_does_not_fit_is_422_and_named() {
    with_database(async |database| {
        let router = native(&database.pool);
        for (path, parameter) in [
            ("/v1/workers/x", "id"),
            ("/v1/workers/-1/commands", "id"),
            ("/v1/workers/6/commands?outcome=failed", "outcome"),
            ("/v1/workers/1.0/events", "id"),
            ("/v1/workers/1/events?after=-1", "after"),
            ("/v1/workers/1/events?limit=1001", "limit"),
            ("/v1/commands/7", "command_id"),
            ("/v1/game-server-instances/x", "id"),
            ("/v1/game-server-instances/x/output", "id"),
            ("/v1/game-server-instances/1/events?limit=0", "limit"),
            ("/v1/game-server-instances?worker_id=x", "worker_id"),
            ("/v1/game-server-instances?open=1", "open"),
            ("/v1/game-server-instances?limit=1001", "limit"),
            ("/v1/game-server-instances?after=x", "after"),
            ("/v1/game-server-configs/x", "id"),
            ("/v1/game-servers/x", "id"),
        ] {
            assert_eq!(refusal(&router, path).await, (422, json!("invalid_parameter")), "{path}");
            assert_eq!(get(&router, path).await.body["parameter"], parameter, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn answers_name_a_position_and_wait_for_it_only_where_clients_write() {
    with_database(async |database| {
        named_worker(&database).await;
        let shown = database.head().await.to_string();
        let path = "/v1/workers/6";
        assert_eq!(get(&native(&database.pool), path).await.header("manman-position"), shown);
        database.append(1).await;
        let looked = get(&native_as_found(&database.pool), path).await;
        assert_eq!((looked.status.as_u16(), looked.header("manman-position")), (200, &*shown));
        // Waited for in vain, as long as a client may wait for its own write.
        let wrote = get(&native(&database.pool), path).await;
        assert_eq!((wrote.status.as_u16(), wrote.header("manman-position")), (200, &*shown));
    })
    .await;
}

#[tokio::test]
async fn a_demanded_position_that_is_none_or_does_not_come_is_a_problem() {
    with_database(async |database| {
        named_worker(&database).await;
        let not_a_position = json!({"status": 422, "body": {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "The position must be digits.",
            "code": "invalid_parameter",
            "parameter": "Manman-Min-Position",
        }});
        for router in [native(&database.pool), native_as_found(&database.pool)] {
            let none = get_with(&router, "/v1/workers/6", &[("Manman-Min-Position", "x")]).await;
            assert_eq!(none.shown(), not_a_position);
            let far = get_with(&router, "/v1/workers/6", &[("Manman-Min-Position", "1000")]).await;
            assert_eq!(
                (far.status.as_u16(), &far.body["code"]),
                (503, &json!("position_not_reached"))
            );
            assert_eq!(far.header("retry-after"), "1");
        }
    })
    .await;
}
