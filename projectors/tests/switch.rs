//! Tables that take the place of others while they are read, and rows that rebuild themselves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::StatusType;
use projectors::{PROJECTIONS, Progress};
use sqlx::{Connection, PgPool, Postgres, Transaction};
use support::commands::at;
use support::rebuilding::{by_anna, projection};
use support::{System, eventually, soon, with_system};
use tokio::task::JoinSet;

/// The number of workers seen by plain reads and by transactions that see one moment: never fewer than there
/// were. Returns how many reads that were.
async fn read_until(
    pool: PgPool,
    is_over: Arc<AtomicBool>,
    at_least: i64,
    one_moment: bool,
) -> i64 {
    let mut connection = pool.acquire().await.unwrap();
    let mut reads = 0;
    while !is_over.load(Ordering::Relaxed) {
        let isolation = if one_moment { "REPEATABLE READ" } else { "READ COMMITTED" };
        let begin = format!("BEGIN ISOLATION LEVEL {isolation} READ ONLY");
        let mut transaction = connection.begin_with(begin).await.unwrap();
        // So that what it sees is fixed before it comes to the table.
        sqlx::query("SELECT position FROM checkpoints").fetch_all(&mut *transaction).await.unwrap();
        for _ in 0..2 {
            let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM read_models.workers")
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            assert!(seen >= at_least, "{seen} of {at_least}, {isolation}");
            let instances: i64 =
                sqlx::query_scalar("SELECT count(*) FROM read_models.game_server_instances")
                    .fetch_one(&mut *transaction)
                    .await
                    .unwrap();
            assert!(instances > 0, "{isolation}");
        }
        transaction.commit().await.unwrap();
        reads += 1;
    }
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_complete_tables_at_all_times_while_events_come_in() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.live_through_everything().await;
        system.caught_up().await;
        let workers: i64 = system.value("SELECT count(*) FROM read_models.workers").await;
        let system = Arc::new(system);
        let is_over = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for one_moment in [true, true, false, false] {
            readers.spawn(read_until(system.pool.clone(), is_over.clone(), workers, one_moment));
        }
        let (busy, over) = (system.clone(), is_over.clone());
        let traffic = tokio::spawn(async move {
            for id in 1000.. {
                busy.register(id, at(0)).await;
                busy.worker_reports(id, StatusType::Running, at(1)).await;
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        for _ in 0..3 {
            let switched = soon("a switch", system.rebuild(&PROJECTIONS)).await;
            assert_eq!(switched.positions.len(), PROJECTIONS.len());
            // Another one at the same position would be the same to the log.
            system.caught_up().await;
        }
        is_over.store(true, Ordering::Relaxed);
        soon("the traffic ends", traffic).await.unwrap();
        while let Some(reads) = readers.join_next().await {
            assert!(reads.unwrap() > 0);
        }
        system.caught_up().await;
        system.assert_what_the_log_says().await;
        let recorded: i64 = system
            .value("SELECT count(*) FROM events WHERE event_type = 'ProjectionSwitched'")
            .await;
        assert_eq!(recorded, 3 * 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_waits_for_a_reader_that_takes_long_and_says_so() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.live_through_everything().await;
        system.caught_up().await;
        // One that has read the table, and one that has read nothing but fixed what it sees.
        let mut reader = system.pool.begin().await.unwrap();
        let read = "SELECT count(*) FROM read_models.workers";
        let _: i64 = sqlx::query_scalar(read).fetch_one(&mut *reader).await.unwrap();
        let mut moment =
            system.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        let before: i64 = sqlx::query_scalar("SELECT count(*) FROM events")
            .fetch_one(&mut *moment)
            .await
            .unwrap();
        let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        let (told, mut waits) = tokio::sync::mpsc::unbounded_channel();
        let switch = tokio::spawn(async move {
            let mut tell = |progress| {
                if let Progress::Waiting { .. } = progress {
                    let _ = told.send(());
                }
            };
            rebuild.switch(&by_anna(), &mut tell).await
        });
        soon("it says that it waits", waits.recv()).await.unwrap();
        // Meanwhile live rows move on.
        system.register(500, at(0)).await;
        system.caught_up().await;
        reader.rollback().await.unwrap();
        soon("it waits for the other one", waits.recv()).await.unwrap();
        assert!(!switch.is_finished());
        let seen: i64 = sqlx::query_scalar(read).fetch_one(&mut *moment).await.unwrap();
        assert!(seen > 0 && before > 0);
        moment.rollback().await.unwrap();
        soon("it is switched", switch).await.unwrap().unwrap();
        system.caught_up().await;
        assert_eq!(system.row("workers", 500).await["worker_id"], 500);
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_waits_for_somebody_who_vacuums_either_table() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        for schema in ["read_models", "read_models_next"] {
            let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
            rebuild.fill(&mut |_| ()).await.unwrap();
            let mut vacuum = system.pool.begin().await.unwrap();
            let statement = format!("LOCK TABLE {schema}.workers IN SHARE UPDATE EXCLUSIVE MODE");
            sqlx::raw_sql(&statement).execute(&mut *vacuum).await.unwrap();
            let (told, mut waits) = tokio::sync::mpsc::unbounded_channel();
            let switch = tokio::spawn(async move {
                let mut tell = |progress| {
                    if let Progress::Waiting { .. } = progress {
                        let _ = told.send(());
                    }
                };
                rebuild.switch(&by_anna(), &mut tell).await
            });
            soon("it says that it waits", waits.recv()).await.unwrap();
            vacuum.rollback().await.unwrap();
            soon("it is switched", switch).await.unwrap().unwrap();
        }
        system.assert_what_the_log_says().await;
    })
    .await;
}

/// A transaction that has a lock on a live table.
async fn reading(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut reader = pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE read_models.workers IN ACCESS SHARE MODE")
        .execute(&mut *reader)
        .await
        .unwrap();
    reader
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_in_the_middle_of_a_switch_can_be_resumed_and_cancelled() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.live_through_everything().await;
        system.caught_up().await;
        for is_resumed in [true, false] {
            let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
            rebuild.fill(&mut |_| ()).await.unwrap();
            // It gets as far as to hold the leases of what is shown, and no further: there is always somebody
            // who reads, and nobody for so long that it would wait before that.
            let mut reader = reading(&system.pool).await;
            let switch = tokio::spawn(async move { rebuild.switch(&by_anna(), &mut |_| ()).await });
            eventually("it holds the leases of what is shown", async || {
                let seized: i64 = system
                    .value(
                        "SELECT count(*) FROM checkpoints shown JOIN checkpoints next USING (owner)
                          WHERE shown.name LIKE 'projector.%' AND next.name LIKE 'rebuild.%'",
                    )
                    .await;
                if seized == 0 {
                    let next = reading(&system.pool).await;
                    std::mem::replace(&mut reader, next).rollback().await.unwrap();
                }
                seized > 0
            })
            .await;
            switch.abort();
            let _ = switch.await;
            reader.rollback().await.unwrap();
            if is_resumed {
                let mut rebuild = soon("it is resumed", system.resume(&PROJECTIONS)).await.unwrap();
                rebuild.fill(&mut |_| ()).await.unwrap();
                rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
            } else {
                projectors::cancel(&system.pool, &PROJECTIONS).await.unwrap();
            }
            system.register(600 + i32::from(is_resumed), at(0)).await;
            system.caught_up().await;
            system.assert_what_the_log_says().await;
            assert!(system.no_rebuild_is_left().await);
        }
    })
    .await;
}

/// Tables that a switch left, as a crash right after it leaves them.
async fn leave_old_tables(system: &System) {
    system
        .execute(
            r#"CREATE SCHEMA read_models_old;
               CREATE TABLE read_models_old.workers AS TABLE read_models.workers;
               COMMENT ON TABLE read_models_old.workers IS '{"from_version":1,"version":2,"position":3,
                 "actor_kind":"user","actor_id":"anna","reason":"it''s time",
                 "correlation_id":"018f0000-0000-7000-8000-000000000000"}'"#,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_died_before_it_told_the_log_is_told_by_whoever_comes_next() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.project().await;
        leave_old_tables(&system).await;
        system.begin(&[projection("workers")]).await.unwrap().leave().await.unwrap();
        let reason: String = system
            .value("SELECT metadata->>'reason' FROM events WHERE event_type = 'ProjectionSwitched'")
            .await;
        assert_eq!(reason, "it's time");
        let left: Option<String> =
            system.value("SELECT to_regclass('read_models_old.workers')::text").await;
        assert_eq!(left, None);
    })
    .await;
}

async fn versions(system: &System) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT coalesce(version, -1) FROM checkpoints WHERE name LIKE 'projector.%' ORDER BY name",
    )
    .fetch_all(&system.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_version_rebuild_themselves_and_are_shown_meanwhile() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        system
            .execute(
                "UPDATE checkpoints SET version = 0 WHERE name LIKE 'projector.%';
                 UPDATE read_models.workers SET name = 'of the old rule'",
            )
            .await;
        let _replicas = [system.start_projectors(), system.start_projectors()];
        eventually("all are of this version", async || versions(&system).await == [1; 4]).await;
        system.register(77, at(0)).await;
        system.caught_up().await;
        system.assert_what_the_log_says().await;
        eventually("nothing is left", async || system.no_rebuild_is_left().await).await;
        let by: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT metadata->>'actor_id' FROM events WHERE event_type = 'ProjectionSwitched'",
        )
        .fetch_all(&system.pool)
        .await
        .unwrap();
        assert_eq!(by, ["projections"]);
        let recorded: i64 =
            system.value("SELECT count(*) FROM events WHERE event_type = 'ProjectionSwitched'").await;
        assert_eq!(recorded, 4, "each once, though there are two replicas");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_goes_on_with_the_rebuild_of_one_that_died() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let mut dead = system.begin(&[projection("workers")]).await.unwrap();
        dead.fill(&mut |_| ()).await.unwrap();
        drop(dead);
        system.execute("UPDATE checkpoints SET version = 0 WHERE name = 'projector.workers'").await;
        let _replica = system.start_projectors();
        eventually("all are of this version", async || versions(&system).await == [1; 4]).await;
        system.caught_up().await;
        system.assert_what_the_log_says().await;
    })
    .await;
}
