//! Read models filled from zero equal the live ones, row for row.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::StatusType;
use projectors::{RebuildError, TableComparison, compare, drop_rebuilt, rebuild};
use support::commands::at;
use support::{System, with_system};

const SCHEMA: &str = "read_models_rebuild";
/// The migration before the one that added native workers.
const BEFORE_NATIVE_WORKERS: i64 = 20_261_123_100_300;

async fn assert_equal(system: &System) {
    for comparison in compare(&system.pool, SCHEMA).await.unwrap() {
        assert!(comparison.is_equal(), "{comparison:?}");
        assert!(comparison.rows > 0, "{comparison:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_read_models_equal_the_live_ones() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let rebuilt = rebuild(&system.pool, SCHEMA).await.unwrap();
        assert_eq!(rebuilt.position, system.store.log.head().await.unwrap());
        assert_eq!(rebuilt.events, rebuilt.position.0);
        assert_equal(&system).await;
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
        rebuild(&system.pool, SCHEMA).await.unwrap();
        assert_equal(&system).await;
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
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_in_use_can_be_compared() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.live_through_everything().await;
        system.caught_up().await;
        rebuild(&system.pool, SCHEMA).await.unwrap();
        for id in 20..40 {
            system.register(id, at(0)).await;
            system.worker_reports(id, StatusType::Running, at(1)).await;
            system.worker_reports(20, StatusType::Running, at(100 + i64::from(id))).await;
        }
        assert_equal(&system).await;
        // And they are not held any longer than that.
        system.register(40, at(0)).await;
        system.caught_up().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_table_has_the_indexes_and_options_of_the_live_one() {
    with_system(|system| async move {
        rebuild(&system.pool, SCHEMA).await.unwrap();
        let shape = async |schema: &str| -> Vec<(String, Option<String>, String)> {
            sqlx::query_as(
                "SELECT c.relname::text, array_to_string(c.reloptions, ','),
                        replace(pg_get_indexdef(i.indexrelid), $1 || '.', '')
                   FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid
                  WHERE c.relnamespace = $1::regnamespace ORDER BY 1, 3",
            )
            .bind(schema)
            .fetch_all(&system.pool)
            .await
            .unwrap()
        };
        assert_eq!(shape(SCHEMA).await, shape("read_models").await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_is_counted_on_both_sides() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.register(7, at(0)).await;
        system.project().await;
        rebuild(&system.pool, SCHEMA).await.unwrap();
        system
            .execute("UPDATE read_models.workers SET end_cause = 'mice' WHERE worker_id = 6")
            .await;
        system.execute("DELETE FROM read_models_rebuild.workers WHERE worker_id = 7").await;
        let comparisons = compare(&system.pool, SCHEMA).await.unwrap();
        let workers = comparisons.iter().find(|comparison| comparison.table == "workers").unwrap();
        assert!(!workers.is_equal());
        assert_eq!((workers.rows, workers.only_live, workers.only_rebuilt), (2, 2, 1));
        let others = comparisons.iter().filter(|comparison| comparison.table != "workers");
        assert!(others.clone().count() == 8 && others.clone().all(TableComparison::is_equal));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_rebuilt_once_until_it_is_dropped() {
    with_system(|system| async move {
        rebuild(&system.pool, SCHEMA).await.unwrap();
        let again = rebuild(&system.pool, SCHEMA).await;
        assert!(matches!(again, Err(RebuildError::Database(_))), "{again:?}");
        drop_rebuilt(&system.pool, SCHEMA).await.unwrap();
        drop_rebuilt(&system.pool, SCHEMA).await.unwrap();
        rebuild(&system.pool, SCHEMA).await.unwrap();
    })
    .await;
}
