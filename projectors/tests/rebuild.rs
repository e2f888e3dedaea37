//! Read models filled anew from the log take the place of the live ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::StatusType;
use event_store::Position;
use projectors::{Differences, PROJECTIONS, RebuildError, cancel};
use support::commands::at;
use support::rebuilding::{by_anna, projection};
use support::{System, eventually, soon, with_system};

/// The migration before the one that added native workers.
const BEFORE_NATIVE_WORKERS: i64 = 20_261_123_100_300;

/// Owners, options, constraints, indexes and privileges of the live tables.
async fn shape(system: &System) -> Vec<Vec<String>> {
    let mut shape = Vec::new();
    for query in [
        "SELECT concat_ws(' ', relname, reloptions, relowner::regrole, relacl) FROM pg_class
          WHERE relnamespace = 'read_models'::regnamespace ORDER BY 1",
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid
          WHERE c.relnamespace = 'read_models'::regnamespace ORDER BY 1",
        "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
          WHERE connamespace = 'read_models'::regnamespace ORDER BY 1",
        "SELECT concat_ws(' ', table_name, column_name, ordinal_position, column_default, is_nullable, data_type)
           FROM information_schema.columns WHERE table_schema = 'read_models' ORDER BY 1",
    ] {
        shape.push(sqlx::query_scalar(query).fetch_all(&system.pool).await.unwrap());
    }
    shape
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_read_models_equal_the_live_ones_and_are_shown_instead() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let before = system.everything().await;
        let tables_before: i64 =
            system.value("SELECT 'read_models.workers'::regclass::oid::bigint").await;
        let head = system.store.log.head().await.unwrap();

        let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
        let filled = rebuild.fill(&mut |_| ()).await.unwrap();
        assert_eq!(filled.events, head.0, "one pass over the log for all");
        let differences = rebuild.differences(10, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!(differences.iter().map(Differences::count).sum::<i64>(), 0);
        let switched = rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        assert!(switched.positions.iter().all(|(_, position)| *position == head));

        let tables_after: i64 =
            system.value("SELECT 'read_models.workers'::regclass::oid::bigint").await;
        assert!(tables_before != tables_after, "it is another table");
        assert_eq!(system.everything().await, before);
        assert!(system.no_rebuild_is_left().await);
        // And they live on.
        system.register(77, at(0)).await;
        system.project().await;
        assert_eq!(system.row("workers", 77).await["worker_id"], 77);
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_is_on_the_log_with_who_and_why() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.project().await;
        let position = system.checkpoint("projector.workers").await;
        system.rebuild(&[projection("workers")]).await;
        let recorded: Vec<(String, serde_json::Value, serde_json::Value)> = sqlx::query_as(
            "SELECT aggregate_id, payload::jsonb, metadata::jsonb FROM events
              WHERE event_type = 'ProjectionSwitched'",
        )
        .fetch_all(&system.pool)
        .await
        .unwrap();
        let [(id, payload, metadata)] = recorded.as_slice() else { panic!("{recorded:?}") };
        assert_eq!(id, "projector.workers");
        assert_eq!(payload["ProjectionSwitched"]["version"], 1);
        assert_eq!(payload["ProjectionSwitched"]["position"], position.0);
        assert_eq!((&metadata["actor_id"], &metadata["reason"]), (&"anna".into(), &"mice".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_tables_have_indexes_options_constraints_and_privileges_of_the_live_ones() {
    with_system(|system| async move {
        let role = system.value::<String>("SELECT current_database()::text").await + "_reader";
        system
            .execute(&format!(
                "CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA read_models TO {role} WITH GRANT OPTION;
                 GRANT SELECT ON read_models.workers TO PUBLIC"
            ))
            .await;
        let before = shape(&system).await;
        assert!(before[0].iter().any(|table| table.contains(&role)), "{before:?}");
        system.rebuild(&PROJECTIONS).await;
        let after = shape(&system).await;
        system.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        assert_eq!(after, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_before_the_switch_and_gone_after_it() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.register(7, at(0)).await;
        system.project().await;
        system.execute("UPDATE read_models.workers SET name = 'mouse' WHERE worker_id = 6").await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        let found = rebuild.differences(10, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!((found.len(), found[0].count(), found[0].tables[0].changed), (1, 1, 1));
        assert_eq!(system.row("workers", 6).await["name"], "mouse", "it is still shown");
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        assert_eq!(system.row("workers", 6).await["name"], serde_json::Value::Null);
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_far_behind_is_rebuilt_up_to_the_head() {
    with_system(|system| async move {
        let (first, last) = (100, 100 + 21_000);
        system
            .execute(&format!(
                r#"INSERT INTO events SELECT h.position + n - {first} + 1, 'worker', n::text, 1, 'WorkerRegistered', '1',
                          json_build_object('WorkerRegistered', json_build_object('worker_id', n, 'surface', 'v1',
                                            'name', NULL, 'registered_at', '2026-01-02T03:04:05Z')),
                          e.metadata, gen_random_uuid(), now()
                     FROM generate_series({first}, {last}) n, log_head h,
                          (SELECT metadata FROM events LIMIT 1) e;
                   UPDATE log_head SET position = (SELECT max(position) FROM events)"#
            ))
            .await;
        let head = system.store.log.head().await.unwrap();
        let switched = system.rebuild(&PROJECTIONS).await;
        assert!(switched.positions.iter().all(|(_, position)| *position == head));
        assert_eq!(system.slowest().await, head);
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_rebuild_of_a_projection_is_refused() {
    with_system(|system| async move {
        let workers = [projection("workers")];
        let first = system.begin(&workers).await.unwrap();
        let second = system.begin(&PROJECTIONS).await.err().unwrap();
        assert!(
            matches!(&second, RebuildError::InProgress { projection: "workers", .. }),
            "{second}"
        );
        let second = system.resume(&workers).await.err().unwrap();
        assert!(matches!(second, RebuildError::InProgress { .. }), "{second}");
        // Others are no concern of it.
        system.rebuild(&[projection("catalogue")]).await;
        first.leave().await.unwrap();
        let third = system.begin(&workers).await.err().unwrap();
        assert!(matches!(third, RebuildError::LeftHalfway { .. }), "{third}");
        let none = system.resume(&[projection("catalogue")]).await.err().unwrap();
        assert!(matches!(none, RebuildError::NotInProgress { .. }), "{none}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_died_goes_on_where_it_was() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
        let first = rebuild.fill(&mut |_| ()).await.unwrap();
        drop(rebuild);
        for id in 100..110 {
            system.register(id, at(0)).await;
        }
        system.project().await;
        let mut rebuild = system.resume(&PROJECTIONS).await.unwrap();
        let filled = rebuild.fill(&mut |_| ()).await.unwrap();
        assert_eq!((first.events > 10, filled.events), (true, 10), "only what is new");
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        system.assert_what_the_log_says().await;
        assert!(system.no_rebuild_is_left().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilds_that_stand_at_different_positions_go_on_together() {
    with_system(|system| async move {
        system.live_over_v1().await;
        system.project().await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        rebuild.leave().await.unwrap();
        system.live_natively().await;
        system.project().await;
        let requests = system.begin(&[projection("worker_requests")]).await.unwrap();
        requests.leave().await.unwrap();
        let both = [projection("workers"), projection("worker_requests")];
        let mut rebuild = system.resume(&both).await.unwrap();
        let filled = rebuild.fill(&mut |_| ()).await.unwrap();
        assert_eq!(filled.events, system.slowest().await.0, "each event once, for whom it is new");
        let found = rebuild.differences(10, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!(found.iter().map(Differences::count).sum::<i64>(), 0, "{found:?}");
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_rebuild_that_is_cancelled_ends_and_leaves_nothing() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let before = system.everything().await;
        let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
        // So that it cannot end by itself.
        let mut lock = system.pool.begin().await.unwrap();
        let statement = "LOCK TABLE events IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
        let running = tokio::spawn(async move { rebuild.fill(&mut |_| ()).await });
        let cancelled = cancel(&system.pool, &PROJECTIONS).await.unwrap();
        assert_eq!(cancelled.len(), PROJECTIONS.len());
        let error = soon("it notices", running).await.unwrap().unwrap_err();
        assert!(matches!(error, RebuildError::Cancelled { .. }), "{error}");
        lock.rollback().await.unwrap();
        assert!(system.no_rebuild_is_left().await);
        assert_eq!(cancel(&system.pool, &PROJECTIONS).await.unwrap(), [""; 0]);
        assert_eq!(system.everything().await, before);
        system.rebuild(&PROJECTIONS).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_zombie_writes_after_another_took_over_is_refused() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.project().await;
        let workers = [projection("workers")];
        let mut zombie = system.begin(&workers).await.unwrap();
        // As if it had been stopped for longer than its lease lasts.
        system
            .execute("UPDATE checkpoints SET leased_until = '-infinity' WHERE name = 'rebuild.workers'")
            .await;
        let mut heir = None;
        eventually("another takes over", async || {
            system
                .execute("UPDATE checkpoints SET leased_until = '-infinity' WHERE name = 'rebuild.workers'")
                .await;
            heir = system.resume(&workers).await.ok();
            heir.is_some()
        })
        .await;
        let error = zombie.fill(&mut |_| ()).await.unwrap_err();
        assert!(matches!(error, RebuildError::TakenOver { .. }), "{error}");
        let mut heir = heir.unwrap();
        assert_eq!(heir.fill(&mut |_| ()).await.unwrap().events, system.slowest().await.0);
        heir.switch(&by_anna(), &mut |_| ()).await.unwrap();
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_written_before_there_were_native_workers_need_no_rebuild() {
    with_system(|system| async move {
        system.live_over_v1().await;
        system.project().await;
        event_store::MIGRATOR.undo(&system.pool, BEFORE_NATIVE_WORKERS).await.unwrap();
        // These are the rows of the version before, had it not been a downgrade that left them so.
        system.execute("COMMENT ON SCHEMA read_models IS NULL").await;
        event_store::MIGRATOR.run(&system.pool).await.unwrap();
        system.assert_what_the_log_says().await;
        let rows: Vec<_> = system.verified().await.iter().map(|table| table.rows).collect();
        assert!(rows.iter().all(|rows| *rows > 0), "{rows:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_filled_anew_after_a_downgrade_and_another_upgrade() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let before = system.everything().await;
        event_store::MIGRATOR.undo(&system.pool, BEFORE_NATIVE_WORKERS).await.unwrap();
        event_store::MIGRATOR.run(&system.pool).await.unwrap();
        system.project().await;
        assert_eq!(system.everything().await, before);
        assert_eq!(system.slowest().await, system.store.log.head().await.unwrap());
        assert!(system.slowest().await > Position(0));
        system.worker_reports(4, StatusType::Running, at(30_000)).await;
    })
    .await;
}
