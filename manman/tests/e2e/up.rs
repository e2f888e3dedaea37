//! All roles in one process, as on a laptop.

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
