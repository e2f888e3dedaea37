//! Heartbeats: gathered in memory, written together, never lost.

use std::time::{Duration, Instant};

use crate::support::{with_app, with_fragile_app};
use axum::http::Method;
use command_api::Heartbeats;
use command_api::heartbeats::Entity;
use domain::{GameServerInstanceId, WorkerId};
use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

const WORKER: Entity = Entity::Worker(WorkerId(1));

async fn rows(pool: &PgPool) -> Vec<(String, i32)> {
    sqlx::query_as("SELECT entity, entity_id FROM heartbeats ORDER BY entity, entity_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

/// How old the last sign of life is on the database's clock, in seconds.
async fn age(pool: &PgPool) -> f64 {
    sqlx::query_scalar(
        "SELECT extract(epoch FROM now() - last_heartbeat_at)::float8 FROM heartbeats",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_grow_with_time_and_not_with_heartbeats() {
    with_app(async |app| {
        for _ in 0..5 {
            app.open_worker().await;
        }
        let shutdown = CancellationToken::new();
        let writer = tokio::spawn(app.heartbeats.clone().run(shutdown.clone()));
        let started = Instant::now();
        for beat in 0..5_000 {
            let body = json!({"worker_id": beat % 5 + 1});
            let answer = app.tell(Method::POST, "/worker/heartbeat", &body).await;
            assert_eq!(answer.status, 200, "{answer}");
        }
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        // The first at once, then four a second, and the last one.
        let most = started.elapsed().as_millis() / 250 + 2;
        let statements = u128::from(app.heartbeats.statements());
        assert!((1..=most).contains(&statements), "{statements} statements, at most {most}");
        let workers = (1..=5).map(|id| ("worker".to_owned(), id));
        assert_eq!(rows(&app.pool).await, workers.collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_known_worker_is_not_looked_up() {
    with_app(async |app| {
        let id = app.open_worker().await;
        let body = json!({"worker_id": id});
        app.tell(Method::POST, "/worker/heartbeat", &body).await;
        // Nothing but a lock on all of it makes every look at the log wait for ever.
        let mut lock = app.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE events, answered_commands, heartbeats, read_models.workers")
            .execute(&mut *lock)
            .await
            .unwrap();
        let answer = app.tell(Method::POST, "/worker/heartbeat", &body);
        let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap();
        assert_eq!(answer.status, 200);
        lock.rollback().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn heartbeats_wait_for_a_database_that_is_away() {
    with_fragile_app(async |app, database| {
        app.heartbeats.record(WORKER);
        app.heartbeats.record(Entity::Instance(GameServerInstanceId(9)));
        database.cut().await;
        app.heartbeats.flush_now().await.unwrap_err();
        app.heartbeats.record(Entity::Worker(WorkerId(2)));
        app.heartbeats.flush_now().await.unwrap_err();
        assert_eq!(app.heartbeats.statements(), 0);

        database.restore().await;
        app.heartbeats.flush_now().await.unwrap();
        let all = [("game_server_instance", 9), ("worker", 1), ("worker", 2)];
        assert_eq!(rows(&app.pool).await, all.map(|(entity, id)| (entity.to_owned(), id)));
    })
    .await;
}

#[tokio::test]
async fn many_that_want_to_see_their_heartbeat_share_statements() {
    with_app(async |app| {
        app.heartbeats.record(WORKER);
        let mut lock = app.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE heartbeats").execute(&mut *lock).await.unwrap();
        let mut waiting: Vec<_> = (0..100)
            .map(|_| {
                app.heartbeats.record(WORKER);
                let heartbeats = app.heartbeats.clone();
                tokio::spawn(async move { heartbeats.flush_now().await })
            })
            .collect();
        tokio::task::yield_now().await;
        lock.rollback().await.unwrap();
        for flushed in waiting.drain(..) {
            flushed.await.unwrap().unwrap();
        }
        assert!((1..=2).contains(&app.heartbeats.statements()));
    })
    .await;
}

#[tokio::test]
async fn an_older_heartbeat_does_not_replace_a_newer_one() {
    with_app(async |app| {
        app.heartbeats.record(WORKER);
        let other_process = Heartbeats::new(app.pool.clone());
        other_process.record(WORKER);
        sqlx::query(
            "INSERT INTO heartbeats VALUES ('worker', 1, now() + interval '1 hour'), \
             ('worker', 2, now() + interval '1 hour')",
        )
        .execute(&app.pool)
        .await
        .unwrap();
        app.heartbeats.flush_now().await.unwrap();
        other_process.flush_now().await.unwrap();
        let newest: bool = sqlx::query_scalar(
            "SELECT bool_and(last_heartbeat_at > now() + interval '59 minutes') FROM heartbeats",
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        assert!(newest);
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_counts_from_its_receipt_and_not_from_its_writing() {
    with_app(async |app| {
        app.heartbeats.record(WORKER);
        let received = Instant::now();
        let mut lock = app.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE heartbeats").execute(&mut *lock).await.unwrap();
        let heartbeats = app.heartbeats.clone();
        let flushed = tokio::spawn(async move { heartbeats.flush_now().await });
        // However long the statement waits, the age is that of the heartbeat.
        sqlx::query("SELECT pg_sleep(0.3)").execute(&mut *lock).await.unwrap();
        lock.rollback().await.unwrap();
        flushed.await.unwrap().unwrap();
        let shown = age(&app.pool).await;
        let most = received.elapsed().as_secs_f64() + 0.1;
        assert!((0.3..=most).contains(&shown), "{shown} s, at most {most} s");
    })
    .await;
}

#[tokio::test]
async fn this_process_says_since_when_it_listens() {
    with_app(async |app| {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        app.heartbeats.clone().run(shutdown.clone()).await.unwrap();
        let move_back =
            "UPDATE heartbeat_intakes SET listening_since = listening_since - $1::interval,
                                                      last_flush_at = last_flush_at - $1::interval";
        let listening =
            "SELECT listening_since > now() - interval '1 minute' FROM heartbeat_intakes";
        let is_new: bool = sqlx::query_scalar(listening).fetch_one(&app.pool).await.unwrap();
        assert!(is_new, "it listens since its first write");

        let since = "UPDATE heartbeat_intakes SET listening_since = now() - interval '1 hour'";
        sqlx::query(since).execute(&app.pool).await.unwrap();
        app.heartbeats.clone().run(shutdown.clone()).await.unwrap();
        let is_new: bool = sqlx::query_scalar(listening).fetch_one(&app.pool).await.unwrap();
        assert!(!is_new, "it went on listening");

        sqlx::query(&move_back.replace("$1", "'4 seconds'")).execute(&app.pool).await.unwrap();
        app.heartbeats.clone().run(shutdown).await.unwrap();
        let is_new: bool = sqlx::query_scalar(listening).fetch_one(&app.pool).await.unwrap();
        assert!(is_new, "after a gap it listens anew");
    })
    .await;
}

#[tokio::test]
async fn processes_that_ended_long_ago_are_forgotten() {
    with_app(async |app| {
        sqlx::query(
            "INSERT INTO heartbeat_intakes
             SELECT gen_random_uuid(), now() - age, now() - age
               FROM unnest(ARRAY[interval '25 hours', interval '23 hours']) AS age",
        )
        .execute(&app.pool)
        .await
        .unwrap();
        app.heartbeats.record(WORKER);
        app.heartbeats.flush_now().await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM heartbeat_intakes")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        assert_eq!(left, 2, "the one of 23 hours ago, and this one");
    })
    .await;
}
