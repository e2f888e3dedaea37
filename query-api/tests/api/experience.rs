//! What users and bots read.

use insta::assert_json_snapshot;

use crate::support::{NewInstance, NewWorker, at, experience, get, get_all, with_database};

const NEEDS_A_WORKER: [&str; 6] = [
    "/worker/current",
    "/worker/status",
    "/gameserver/current",
    "/gameserver/x/status",
    "/gameserver/instance/status",
    "/gameserver/instances/active?include_crashed=maybe",
];

#[tokio::test]
async fn without_an_open_worker_it_is_404_also_where_the_request_does_not_fit() {
    with_database(async |database| {
        database.worker(NewWorker { end: Some(at(9)), ..NewWorker::default() }).await;
        assert_json_snapshot!(get_all(&experience(&database.pool), &NEEDS_A_WORKER).await);
    })
    .await;
}

#[tokio::test]
async fn with_an_open_worker_a_request_that_does_not_fit_is_422() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        let router = experience(&database.pool);
        let paths = [
            "/gameserver/x/status",
            "/gameserver/instances/active?include_crashed=maybe",
            "/gameserver/instances/active?include_crashed=",
            "/gameserver/instance/x",
            "/gameserver/x/commands",
            "/gameserver/x/instances?limit=y",
            "/gameserver/1/instances?limit=-1",
        ];
        assert_json_snapshot!(get_all(&router, &paths).await);
    })
    .await;
}

#[tokio::test]
async fn what_looks_like_another_path_is_read_as_an_id_as_in_v1() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        let router = experience(&database.pool);
        let paths = [
            "/gameserver/instance/status",
            "/gameserver/instance/commands",
            "/gameserver/types/instances",
            "/gameserver/1",
            "/gameserver/instances",
        ];
        assert_json_snapshot!(get_all(&router, &paths).await);
    })
    .await;
}

#[tokio::test]
async fn the_current_worker_is_shown_with_its_last_heartbeat() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        let router = experience(&database.pool);
        let never_heard_of = get(&router, "/worker/current").await.shown();
        database.heartbeat("worker", 1, at(2)).await;
        let heard_of = get(&router, "/worker/current").await.shown();
        assert_json_snapshot!([never_heard_of, heard_of]);
    })
    .await;
}

#[tokio::test]
async fn the_current_worker_is_the_newest_open_v1_worker_that_is_not_lost() {
    with_database(async |database| {
        let router = experience(&database.pool);
        let current = async || get(&router, "/worker/current").await.body["worker_id"].clone();
        let worker = |id, created| NewWorker { id, created: at(created), ..NewWorker::default() };

        database.worker(NewWorker { surface: "native", ..worker(1, 1) }).await;
        assert_eq!(current().await, 1, "any open worker is better than none");
        database.worker(NewWorker { status: Some("LOST"), ..worker(2, 2) }).await;
        assert_eq!(current().await, 1, "one that is not lost is better than one that is");
        database.worker(NewWorker { surface: "native", ..worker(3, 3) }).await;
        assert_eq!(current().await, 3, "among native ones, the newest");
        database.worker(NewWorker { status: None, ..worker(4, 1) }).await;
        assert_eq!(current().await, 4, "a v1 worker that is not lost goes first");
        database.worker(worker(5, 1)).await;
        assert_eq!(current().await, 5, "the id decides between two of the same instant");
        database.worker(NewWorker { end: Some(at(9)), ..worker(6, 8) }).await;
        assert_eq!(current().await, 5, "a closed worker is never current");
    })
    .await;
}

#[tokio::test]
async fn of_workers_that_are_all_lost_the_newest_is_current() {
    with_database(async |database| {
        let lost = |id, surface, created| NewWorker {
            id,
            surface,
            created: at(created),
            status: Some("LOST"),
            ..NewWorker::default()
        };
        database.worker(lost(1, "v1", 1)).await;
        database.worker(lost(2, "native", 2)).await;
        let current = get(&experience(&database.pool), "/worker/current").await;
        assert_eq!(current.body["worker_id"], 2);
    })
    .await;
}

#[tokio::test]
async fn the_status_of_the_current_worker_is_shown_or_404() {
    with_database(async |database| {
        let router = experience(&database.pool);
        database.worker(NewWorker { status: None, ..NewWorker::default() }).await;
        let none = get(&router, "/worker/status").await.shown();
        database.worker(NewWorker { id: 2, created: at(5), ..NewWorker::default() }).await;
        let some = get(&router, "/worker/status").await.shown();
        assert_json_snapshot!([none, some]);
    })
    .await;
}

#[tokio::test]
async fn visible_configs_are_listed_by_name() {
    with_database(async |database| {
        database.catalogue().await;
        assert_json_snapshot!(get(&experience(&database.pool), "/gameserver").await.shown());
    })
    .await;
}

#[tokio::test]
async fn the_active_instances_are_those_of_the_current_worker() {
    with_database(async |database| {
        some_instances(&database).await;
        assert_json_snapshot!(
            get(&experience(&database.pool), "/gameserver/current").await.shown()
        );
    })
    .await;
}

#[tokio::test]
async fn the_status_of_a_config_is_that_of_its_active_instance() {
    with_database(async |database| {
        some_instances(&database).await;
        let paths = [
            "/gameserver/1/status",
            "/gameserver/2/status",
            "/gameserver/3/status",
            "/gameserver/2147483648/status",
        ];
        assert_json_snapshot!(get_all(&experience(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn active_instances_come_with_what_they_name_each_once_in_the_order_of_first_use() {
    with_database(async |database| {
        some_instances(&database).await;
        let router = experience(&database.pool);
        assert_json_snapshot!(get(&router, "/gameserver/instances/active").await.shown());
    })
    .await;
}

#[tokio::test]
async fn crashed_instances_follow_where_their_config_is_not_running() {
    with_database(async |database| {
        some_instances(&database).await;
        let path = "/gameserver/instances/active?include_crashed=yes";
        let answer = get(&experience(&database.pool), path).await;
        let ids: Vec<_> = answer.body["game_server_instances"]
            .as_array()
            .unwrap()
            .iter()
            .map(|instance| instance["game_server_instance_id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, [1, 2, 3, 12]);
        assert_json_snapshot!(answer.body["configs"][2]["name"], @r#""aim""#);
    })
    .await;
}

#[tokio::test]
async fn a_worker_without_instances_names_nothing() {
    with_database(async |database| {
        database.worker(NewWorker::default()).await;
        let paths = ["/gameserver/current", "/gameserver/instances/active?include_crashed=1"];
        assert_json_snapshot!(get_all(&experience(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn an_instance_comes_with_the_commands_offered_for_it() {
    with_database(async |database| {
        some_instances(&database).await;
        let router = experience(&database.pool);
        assert_json_snapshot!(get(&router, "/gameserver/instance/1").await.shown());
        let ended = get(&router, "/gameserver/instance/11").await;
        assert_eq!(ended.status, 200);
        assert_eq!(ended.body["instance"]["end_date"], "2026-01-02T03:04:55.678901+00:00");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_instance_is_404() {
    with_database(async |database| {
        let paths = ["/gameserver/instance/99", "/gameserver/instance/2147483648"];
        assert_json_snapshot!(get_all(&experience(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn visible_commands_are_listed_by_name_and_an_unknown_game_server_has_none() {
    with_database(async |database| {
        database.catalogue().await;
        let paths = [
            "/gameserver/1/commands",
            "/gameserver/99/commands",
            "/gameserver/2147483648/commands",
        ];
        assert_json_snapshot!(get_all(&experience(&database.pool), &paths).await);
    })
    .await;
}

#[tokio::test]
async fn all_game_servers_are_listed() {
    with_database(async |database| {
        database.catalogue().await;
        assert_json_snapshot!(get(&experience(&database.pool), "/gameserver/types").await.shown());
    })
    .await;
}

#[tokio::test]
async fn history_has_the_newest_instances_of_all_configs_and_workers() {
    with_database(async |database| {
        some_instances(&database).await;
        let answer = get(&experience(&database.pool), "/gameserver/1/instances?limit=4").await;
        let running = answer.body["instances"][0]["runtime_seconds"].as_i64().unwrap();
        assert!(running >= 0);
        assert_json_snapshot!(answer.shown(), { ".body.instances[0].runtime_seconds" => "[so far]" });
    })
    .await;
}

#[tokio::test]
async fn history_is_limited_to_10_unless_asked_otherwise() {
    with_database(async |database| {
        for id in 1..=12 {
            database
                .instance(NewInstance { id, created: at(id.into()), ..NewInstance::default() })
                .await;
        }
        let router = experience(&database.pool);
        for (query, count) in
            [("", 10), ("?limit=0", 0), ("?limit=3", 3), ("?limit=99999999999999999999", 12)]
        {
            let answer = get(&router, &format!("/gameserver/1/instances{query}")).await;
            assert_eq!(answer.body["instances"].as_array().unwrap().len(), count, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_history_of_an_unknown_game_server_is_empty() {
    with_database(async |database| {
        let paths = ["/gameserver/99/instances", "/gameserver/2147483648/instances"];
        assert_json_snapshot!(get_all(&experience(&database.pool), &paths).await);
    })
    .await;
}

/// Worker 2 is current and runs 1, 2 (no status yet) and 3; 10 to 13 have crashed, 14 ended well,
/// 20 runs elsewhere.
async fn some_instances(database: &crate::support::Database) {
    database.catalogue().await;
    database.worker(NewWorker::default()).await;
    database.worker(NewWorker { id: 2, created: at(5), ..NewWorker::default() }).await;
    database.heartbeat("worker", 2, at(7)).await;
    database.heartbeat("game_server_instance", 1, at(17)).await;
    let instance = |id, config_id| NewInstance {
        id,
        config_id,
        game_server_id: if config_id == 2 { 2 } else { 1 },
        worker_id: 2,
        created: at(i64::from(id) + 20),
        ..NewInstance::default()
    };
    let crashed = |id, config_id, end| NewInstance {
        end: Some(at(end)),
        status: Some("CRASHED"),
        has_crashed: true,
        ..instance(id, config_id)
    };
    for row in [
        NewInstance { status: Some("INITIALIZING"), ..instance(1, 1) },
        NewInstance { status: None, ..instance(2, 2) },
        instance(3, 1),
        crashed(10, 1, 40),
        crashed(11, 3, 50),
        crashed(12, 3, 60),
        NewInstance { worker_id: 1, ..crashed(13, 3, 70) },
        NewInstance { has_crashed: false, status: Some("COMPLETE"), ..crashed(14, 3, 80) },
        NewInstance { worker_id: 1, ..instance(20, 3) },
    ] {
        database.instance(row).await;
    }
}
