//! All roles in one process, as on a laptop.

use serde_json::json;

use crate::support::{Broker, Database, Up};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_up_offers_to_try_works_as_printed() {
    let (database, broker) = (Database::create().await, Broker::start().await);
    let up = Up::start(&database, &broker, &[]).await;
    let answers = up.offers_what_works().await;
    assert!(answers.len() >= 8, "{answers:?}");
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_goes_on_where_the_first_stopped() {
    let (database, broker) = (Database::create().await, Broker::start().await);
    let up = Up::start(&database, &broker, &[]).await;
    let [experience, dal, ..] = up.apis();
    let catalogue = experience.get("/gameserver").await.ok();
    assert_eq!(catalogue.as_array().unwrap().len(), 2);
    let first = dal.post("/worker/create").await.ok();
    up.interrupt().await;

    let up = Up::start(&database, &broker, &[]).await;
    let [experience, dal, status, processor] = up.apis();
    assert_eq!(experience.get("/gameserver").await.ok(), catalogue);
    assert_eq!(experience.get("/worker/current").await.ok()["worker_id"], first["worker_id"]);
    let second = dal.post("/worker/create").await.ok();
    assert!(second["worker_id"].as_i64() > first["worker_id"].as_i64(), "{second}");
    for api in [experience, dal, status, processor] {
        assert!(api.is_well("/readyz").await && api.is_well("/health").await);
    }
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_name_of_the_demo_is_taken_everything_runs_without_it() {
    let (database, broker) = (Database::create().await, Broker::start().await);
    let up = Up::start(&database, &broker, &[]).await;
    let [experience, ..] = up.apis();
    let theirs = json!({"name": "demo", "server_type": "STEAM", "app_id": 4711});
    experience.post_json("/v1/game-servers", &theirs).await.created();
    up.interrupt().await;

    let up = Up::start(&database, &broker, &["--demo"]).await;
    let answers = up.offers_what_works().await;
    assert!(answers.iter().any(|(line, _)| line.contains("/worker/create")), "{answers:?}");
    up.interrupt().await;
}
