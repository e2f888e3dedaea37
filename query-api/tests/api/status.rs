//! What dashboards read.

use insta::assert_json_snapshot;
use serde_json::Value;

use crate::support::{
    Database, NewInstance, NewRequest, NewWorker, at, get, get_all, get_with, status, with_database,
};

#[tokio::test]
async fn the_status_of_a_worker_is_shown_or_404() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        let lost = NewWorker {
            id: 2,
            status: Some("LOST"),
            status_class: "StatusEventProcessor",
            ..NewWorker::default()
        };
        database.worker(lost).await;
        database.worker(NewWorker { id: 3, status: None, ..NewWorker::default() }).await;
        let paths = [
            "/status/worker/1",
            "/status/worker/2",
            "/status/worker/3",
            "/status/worker/99",
            "/status/worker/2147483648",
            "/status/worker/x",
        ];
        assert_json_snapshot!(get_all(&status(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn the_status_of_an_instance_is_shown_or_404() {
    with_database(async |database| {
        database.instance(NewInstance::default()).await;
        database.instance(NewInstance { id: 2, status: None, ..NewInstance::default() }).await;
        let paths = [
            "/status/instance/1",
            "/status/instance/2",
            "/status/instance/99",
            "/status/instance/2147483648",
            "/status/instance/x",
        ];
        assert_json_snapshot!(get_all(&status(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn many_statuses_asked_for_at_once_each_get_their_own() {
    with_database(async |database| {
        for id in 1..=40 {
            database.worker(NewWorker { id, ..NewWorker::default() }).await;
        }
        let router = status(&database.pool);
        let asked = (1..=80).map(|id| {
            let router = &router;
            async move { (id, get(router, &format!("/status/worker/{id}")).await) }
        });
        for (id, answer) in futures::future::join_all(asked).await {
            let expected = if id <= 40 { Value::from(id) } else { Value::Null };
            assert_eq!(answer.body["worker_id"], expected);
            assert_eq!(answer.status, if id <= 40 { 200 } else { 404 });
        }
    })
    .await;
}

#[tokio::test]
async fn a_status_the_client_has_is_304_until_it_changes() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        database.instance(NewInstance::default()).await;
        let router = status(&database.pool);
        for (path, table) in
            [("/status/worker/1", "workers"), ("/status/instance/1", "game_server_instances")]
        {
            let first = get(&router, path).await;
            let tag = first.header("etag").to_owned();
            let again = get_with(&router, path, &[("If-None-Match", &tag)]).await;
            assert_eq!((again.status.as_u16(), &again.body), (304, &Value::from("")));
            assert_eq!(again.header("etag"), tag);

            let change = format!("UPDATE read_models.{table} SET status_info_id = 999");
            database.execute(&change).await;
            let changed = get_with(&router, path, &[("If-None-Match", &tag)]).await;
            assert_eq!(
                (changed.status.as_u16(), &changed.body["status_info_id"]),
                (200, &999.into())
            );
        }
    })
    .await;
}

#[tokio::test]
async fn workers_are_listed_newest_first_with_what_they_do() {
    with_database(async |database| {
        some_system(&database).await;
        assert_json_snapshot!(get(&status(&database.pool), "/status/workers").await.shown());
    })
    .await;
}

#[tokio::test]
async fn workers_can_be_filtered() {
    with_database(async |database| {
        some_system(&database).await;
        let router = status(&database.pool);
        for (query, ids) in [
            ("open=true", vec![3, 2, 1]),
            ("open=false", vec![4]),
            ("status=RUNNING", vec![3, 1]),
            ("status=RUNNING&open=false", vec![]),
            ("status=COMPLETE&open=false", vec![4]),
            ("after=3", vec![2, 1]),
            ("after=-1", vec![]),
        ] {
            let answer = get(&router, &format!("/status/workers?{query}")).await;
            assert_eq!(worker_ids(&answer.body), ids, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_of_workers_join_without_gap_or_overlap() {
    with_database(async |database| {
        some_system(&database).await;
        let router = status(&database.pool);
        let first = get(&router, "/status/workers?limit=2").await.body;
        assert_eq!((worker_ids(&first), &first["next"]), (vec![4, 3], &3.into()));
        let second = get(&router, "/status/workers?limit=2&after=3").await.body;
        assert_eq!((worker_ids(&second), &second["next"]), (vec![2, 1], &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_does_not_fit_is_422() {
    with_database(async |database| {
        let paths = [
            "/status/workers?status=running",
            "/status/workers?open=maybe",
            "/status/workers?limit=0",
            "/status/workers?limit=501",
            "/status/workers?limit=x&after=y",
        ];
        assert_json_snapshot!(get_all(&status(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn a_worker_is_shown_with_what_it_runs_and_what_is_asked_of_it() {
    with_database(async |database| {
        some_system(&database).await;
        assert_json_snapshot!(get(&status(&database.pool), "/status/workers/1").await.shown());
    })
    .await;
}

#[tokio::test]
async fn an_unknown_worker_is_404() {
    with_database(async |database| {
        let paths = ["/status/workers/99", "/status/workers/2147483648", "/status/workers/x"];
        assert_json_snapshot!(get_all(&status(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn servers_are_all_configs_with_their_open_or_else_latest_instance() {
    with_database(async |database| {
        some_system(&database).await;
        assert_json_snapshot!(get(&status(&database.pool), "/status/servers").await.shown());
    })
    .await;
}

#[tokio::test]
async fn active_servers_are_the_open_instances() {
    with_database(async |database| {
        some_system(&database).await;
        assert_json_snapshot!(get(&status(&database.pool), "/status/servers/active").await.shown());
    })
    .await;
}

#[tokio::test]
async fn the_system_is_shown_at_a_glance() {
    with_database(async |database| {
        some_system(&database).await;
        let head = database.append(20).await;
        database.checkpoint("projector.test", head - 3).await;
        database.checkpoint("relay.external", 1).await;
        let answer = get(&status(&database.pool), "/status/system").await;
        assert_json_snapshot!(answer.shown(), { ".body.log.recorded_at" => "[when the seed was written]" });
    })
    .await;
}

#[tokio::test]
async fn an_empty_system_is_shown_too() {
    with_database(async |database| {
        database.execute("UPDATE log_head SET position = 0, recorded_at = '-infinity'").await;
        database.execute("DELETE FROM checkpoints").await;
        assert_json_snapshot!(get(&status(&database.pool), "/status/system").await.shown());
    })
    .await;
}

fn worker_ids(page: &Value) -> Vec<i64> {
    let workers = page["workers"].as_array().unwrap();
    workers.iter().map(|worker| worker["worker_id"].as_i64().unwrap()).collect()
}

/// Workers 1 to 3 are open; worker 1 runs instance 1 and is asked for two things. Config 3 never
/// ran.
async fn some_system(database: &Database) {
    database.catalogue().await;
    let worker = |id| NewWorker { id, created: at(i64::from(id)), ..NewWorker::default() };
    for row in [
        worker(1),
        NewWorker { status: None, ..worker(2) },
        NewWorker { surface: "native", name: Some("host-3"), ..worker(3) },
        NewWorker { end: Some(at(99)), status: Some("COMPLETE"), ..worker(4) },
    ] {
        database.worker(row).await;
    }
    database.heartbeat("worker", 1, at(50)).await;
    database.heartbeat("game_server_instance", 1, at(51)).await;
    for row in [
        NewInstance::default(),
        // Newer, but over.
        NewInstance { id: 2, created: at(20), end: Some(at(25)), ..NewInstance::default() },
        NewInstance {
            id: 3,
            config_id: 2,
            game_server_id: 2,
            worker_id: 3,
            end: Some(at(30)),
            status: Some("CRASHED"),
            has_crashed: true,
            ..NewInstance::default()
        },
        NewInstance {
            id: 4,
            config_id: 2,
            game_server_id: 2,
            worker_id: 3,
            ..NewInstance::default()
        },
        NewInstance {
            id: 5,
            worker_id: 2,
            end: Some(at(9)),
            status: None,
            ..NewInstance::default()
        },
    ] {
        database.instance(row).await;
    }
    for row in [
        NewRequest { id: 1, requested: at(31), ..NewRequest::default() },
        NewRequest { id: 2, kind: "stop", ..NewRequest::default() },
        NewRequest { id: 3, outcome: "fulfilled", requested: at(1), ..NewRequest::default() },
        NewRequest {
            id: 4,
            worker_id: 3,
            kind: "shutdown",
            config_id: None,
            ..NewRequest::default()
        },
    ] {
        database.request(row).await;
    }
}
