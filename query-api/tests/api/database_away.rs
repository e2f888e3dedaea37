//! The database is away.

use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgPoolOptions;

use crate::support::{eventually, experience, get, status, with_database, worker_dal};

#[tokio::test]
async fn reads_are_503_with_retry_after() {
    let away = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(50))
        .connect_lazy("postgres://nobody@127.0.0.1:1/nothing")
        .unwrap();
    for (router, path) in [
        (experience(&away), "/gameserver"),
        (worker_dal(&away), "/server/1"),
        (status(&away), "/status/worker/1"),
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.header("retry-after"), "1", "{path}");
        let detail = json!({"detail": "Database unavailable"});
        assert_eq!((answer.status.as_u16(), answer.body), (503, detail), "{path}");
    }
}

#[tokio::test]
async fn reads_work_again_once_it_is_back() {
    with_database(async |database| {
        let router = status(&database.pool);
        assert_eq!(get(&router, "/status/worker/1").await.status, 404);
        database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        let back = async || get(&router, "/status/worker/1").await.status == 404;
        eventually(back).await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_does_not_end_fails_the_reads_that_wait_for_it_and_no_later_ones() {
    with_database(async |database| {
        let router = status(&database.pool);
        let mut locked = database.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE read_models.workers").execute(&mut *locked).await.unwrap();
        assert_eq!(get(&router, "/status/worker/1").await.status, 503);
        locked.rollback().await.unwrap();
        assert_eq!(get(&router, "/status/worker/1").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_read_of_its_own_does_not_wait_without_end_either() {
    with_database(async |database| {
        let router = worker_dal(&database.pool);
        let mut locked = database.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE read_models.game_servers").execute(&mut *locked).await.unwrap();
        let answer = get(&router, "/server/1").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
        locked.rollback().await.unwrap();
        assert_eq!(get(&router, "/server/1").await.status, 404);
    })
    .await;
}
