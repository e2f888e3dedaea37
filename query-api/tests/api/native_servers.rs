//! Servers: a config and its newest instance, waited for where that is asked.

use futures::future::join;
use serde_json::json;

use crate::support::{NewInstance, NewRequest, at, get, native, with_database};

#[tokio::test]
async fn a_server_is_its_config_and_its_newest_instance() {
    with_database(async |database| {
        database.catalogue().await;
        let router = native(&database.pool);
        let server = get(&router, "/v1/servers/1").await.body;
        assert_eq!((&server["server_id"], &server["instance"]), (&json!("1"), &json!(null)));
        assert_eq!(server["config"]["game_server_name"], "cs2");

        database.instance(NewInstance { id: 1, end: Some(at(60)), ..Default::default() }).await;
        database.instance(NewInstance { id: 2, created: at(20), ..Default::default() }).await;
        database
            .instance(NewInstance { id: 3, config_id: 2, created: at(30), ..Default::default() })
            .await;
        let server = get(&router, "/v1/servers/1").await.body;
        assert_eq!(server["instance"]["game_server_instance_id"], "2");
    })
    .await;
}

#[tokio::test]
async fn a_status_is_waited_for_longer_than_a_read_may_take() {
    with_database(async |database| {
        database.catalogue().await;
        database.instance(NewInstance { status: Some("INITIALIZING"), ..Default::default() }).await;
        let router = native(&database.pool);
        let patient = async {
            let answer = get(&router, "/v1/servers/1?until=RUNNING&wait=6").await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["instance"]["status"]),
                (200, &json!("INITIALIZING"))
            );
        };
        let impatient = async {
            let answer = get(&router, "/v1/servers/1?until=RUNNING&wait=0").await;
            assert_eq!(answer.body["instance"]["status"], "INITIALIZING");
        };
        join(patient, impatient).await;

        let starts = database.execute(
            "UPDATE read_models.game_server_instances SET status = 'RUNNING'
              WHERE game_server_instance_id = 1",
        );
        let (answer, ()) = join(get(&router, "/v1/servers/1?until=RUNNING"), starts).await;
        assert_eq!(answer.body["instance"]["status"], "RUNNING");
    })
    .await;
}

#[tokio::test]
async fn a_line_of_output_is_waited_for() {
    with_database(async |database| {
        database.catalogue().await;
        database.instance(NewInstance::default()).await;
        let router = native(&database.pool);
        let path = "/v1/servers/1/output?contains=hello";
        let none = get(&router, &format!("{path}&wait=0")).await;
        assert_eq!((none.status.as_u16(), &none.body["code"]), (404, &json!("output_not_found")));
        let prints =
            database.execute("INSERT INTO instance_output VALUES (1, 1, '{say hello}', now())");
        let (answer, ()) = join(get(&router, path), prints).await;
        assert_eq!(answer.body["tail"], json!(["say hello"]));
    })
    .await;
}

#[tokio::test]
async fn what_there_is_not_and_what_does_not_fit_is_refused() {
    with_database(async |database| {
        database.catalogue().await;
        let router = native(&database.pool);
        for (path, status, code) in [
            ("/v1/servers/99", 404, "game_server_config_not_found"),
            ("/v1/servers/2147483648", 404, "game_server_config_not_found"),
            ("/v1/servers/99/events", 404, "game_server_config_not_found"),
            ("/v1/servers/99/output", 404, "output_not_found"),
            ("/v1/servers/x", 422, "invalid_parameter"),
            ("/v1/servers/1?until=running", 422, "invalid_parameter"),
            ("/v1/servers/1?wait=26", 422, "invalid_parameter"),
            ("/v1/servers/1/output?wait=-1", 422, "invalid_parameter"),
            ("/v1/servers/1/events?limit=0", 422, "invalid_parameter"),
        ] {
            let answer = get(&router, path).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["code"]),
                (status, &json!(code)),
                "{path}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_asked_of_a_server_is_found_without_reading_all_requests() {
    with_database(async |database| {
        let mut connection = database.pool.acquire().await.unwrap();
        sqlx::query("SET enable_seqscan = off").execute(&mut *connection).await.unwrap();
        let plan: Vec<String> = sqlx::query_scalar(
            "EXPLAIN SELECT * FROM read_models.worker_requests WHERE game_server_config_id = 1",
        )
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("worker_requests_of_config"), "{plan}");
    })
    .await;
}

#[tokio::test]
async fn the_history_of_a_server_is_that_of_its_instances_and_of_what_was_asked_of_it() {
    with_database(async |database| {
        database.catalogue().await;
        let nothing = json!({});
        database.event(("worker", 6), "WorkerRegistered", &nothing).await;
        let asked = database.event(("worker", 6), "StartRequested", &nothing).await;
        let began = database.event(("game_server_instance", 1), "InstanceCreated", &nothing).await;
        database.event(("game_server_instance", 2), "InstanceCreated", &nothing).await;
        let id = u128::try_from(asked).unwrap();
        database.request(NewRequest { id, worker_id: 6, ..Default::default() }).await;
        database.instance(NewInstance::default()).await;
        database.instance(NewInstance { id: 2, config_id: 2, ..Default::default() }).await;
        let page = get(&native(&database.pool), "/v1/servers/1/events").await.body;
        let positions: Vec<_> =
            page["events"].as_array().unwrap().iter().map(|event| &event["position"]).collect();
        assert_eq!(
            positions,
            [asked, began].map(|position| json!(position.to_string())).iter().collect::<Vec<_>>()
        );
    })
    .await;
}
