//! What workers read.

use insta::assert_json_snapshot;

use crate::support::{NewInstance, NewWorker, at, get, get_all, with_database, worker_dal};

#[tokio::test]
async fn an_instance_is_found_open_or_ended() {
    with_database(async |database| {
        database.instance(NewInstance { id: 4, ..NewInstance::default() }).await;
        database.heartbeat("game_server_instance", 4, at(12)).await;
        // The heartbeat of a worker with the same id is not that of the instance.
        database.heartbeat("worker", 5, at(13)).await;
        let ended = NewInstance { id: 5, end: Some(at(60)), ..NewInstance::default() };
        database.instance(ended).await;
        let paths = ["/server/instance/4", "/server/instance/5"];
        assert_json_snapshot!(get_all(&worker_dal(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn a_config_is_found_visible_or_not() {
    with_database(async |database| {
        database.catalogue().await;
        let paths = ["/server/config/1", "/server/config/3"];
        assert_json_snapshot!(get_all(&worker_dal(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn a_server_has_server_type_1_whatever_it_is() {
    with_database(async |database| {
        database.catalogue().await;
        let paths = ["/server/1", "/server/2"];
        assert_json_snapshot!(get_all(&worker_dal(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn unknown_ids_are_404_also_those_too_large_for_an_id() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        let router = worker_dal(&database.pool);
        let paths = [
            "/server/instance/99",
            "/server/instance/2147483648",
            "/server/instance/99999999999999999999",
            "/server/config/99",
            "/server/config/-2147483649",
            "/server/99",
            "/server/2147483648",
        ];
        assert_json_snapshot!(get_all(&router, &paths).await);
    })
    .await;
}

#[tokio::test]
async fn ids_that_are_no_numbers_are_422() {
    with_database(async |database| {
        let router = worker_dal(&database.pool);
        let paths = ["/server/instance/x", "/server/config/1.5", "/server/x"];
        assert_json_snapshot!(get_all(&router, &paths).await);
    })
    .await;
}

#[tokio::test]
async fn what_looks_like_another_path_is_read_as_an_id_as_in_v1() {
    with_database(async |database| {
        let router = worker_dal(&database.pool);
        let paths = [
            "/server/instance",
            "/server/config",
            "/server/instance/create",
            "/server/instance/shutdown",
        ];
        assert_json_snapshot!(get_all(&router, &paths).await);
        assert_eq!(get(&router, "/server/").await.status, 404);
    })
    .await;
}
