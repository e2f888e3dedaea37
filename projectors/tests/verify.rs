//! Live read models are held against the log while they move on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::StatusType;
use domain::worker::Request;
use event_store::Position;
use projectors::{
    PROJECTIONS, Progress, ProjectionInfo, Rebuild, RowDifference, TableComparison, diff,
    standings, verify,
};
use serde_json::json;
use support::commands::at;
use support::{System, eventually, soon, with_system};

fn projection(name: &str) -> ProjectionInfo {
    PROJECTIONS.into_iter().find(|projection| projection.name == name).unwrap()
}

async fn verified(system: &System) -> Vec<TableComparison> {
    verify(&system.pool, &PROJECTIONS, &mut |_| ()).await.unwrap()
}

async fn assert_equal(system: &System) {
    for table in verified(system).await {
        assert!(table.is_equal() && table.rows == table.rebuilt_rows, "{table:?}");
    }
}

/// What a verification keeps while it runs, whoever's.
async fn temporary_tables(system: &System) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
        .fetch_one(&system.pool)
        .await
        .unwrap()
}

async fn nothing_is_left(system: &System) {
    eventually("nothing is left behind", async || temporary_tables(system).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projectors_that_move_on_are_verified_without_being_held() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.live_through_everything().await;
        let system = Arc::new(system);
        let is_over = Arc::new(AtomicBool::new(false));
        let (busy, over) = (Arc::clone(&system), Arc::clone(&is_over));
        let traffic = tokio::spawn(async move {
            for id in 1000.. {
                busy.register(id, at(0)).await;
                busy.worker_reports(id, StatusType::Running, at(1)).await;
                busy.worker_reports(1000, StatusType::Running, at(i64::from(id))).await;
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        // Until live has moved on during one of them: between its first and its last look at it.
        let mut has_moved = false;
        soon("the projections move on", async {
            while !has_moved {
                let before = system.slowest().await;
                let tables = verified(&system).await;
                for table in &tables {
                    assert!(table.is_equal(), "{table:?}");
                    assert!(table.position >= before, "{table:?}");
                }
                has_moved =
                    system.slowest().await > tables[0].position && tables[0].position > before;
            }
        })
        .await;
        is_over.store(true, Ordering::Relaxed);
        soon("the traffic ends", traffic).await.unwrap();
        nothing_is_left(&system).await;
        system.caught_up().await;
        let tables = verified(&system).await;
        assert_eq!(tables.len(), 9);
        assert!(tables.iter().all(|table| table.is_equal() && table.rows > 0), "{tables:?}");
        assert_eq!(tables[0].position, system.store.log.head().await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_by_hand_is_found_in_its_table_only() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let before = verified(&system).await;
        system.execute("UPDATE read_models.worker_requests SET reason = 'mice'").await;
        for (was, now) in before.iter().zip(verified(&system).await) {
            assert_eq!(was.rebuilt_hash, now.rebuilt_hash, "the log says the same as before");
            let is_changed = now.table == "worker_requests";
            assert_eq!(now.is_equal(), !is_changed, "{now:?}");
            assert_eq!(was.hash != now.hash, is_changed, "{now:?}");
            let differing = if is_changed { now.rows } else { 0 };
            assert_eq!((now.only_live, now.only_rebuilt), (differing, differing), "{now:?}");
        }
        nothing_is_left(&system).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_names_rows_that_are_missing_or_too_many_and_columns_that_changed() {
    with_system(|system| async move {
        for id in [6, 7, 8] {
            system.register(id, at(0)).await;
        }
        system.project().await;
        system
            .execute(
                "INSERT INTO read_models.workers (worker_id, surface, created_date, position)
                 VALUES (5, 'v1', now(), 1);
                 UPDATE read_models.workers SET end_cause = 'mice', surface = 'cat' WHERE worker_id = 7;
                 DELETE FROM read_models.workers WHERE worker_id = 8",
            )
            .await;
        let found = diff(&system.pool, projection("workers"), 20, &mut |_| ()).await.unwrap();
        assert_eq!(found.position, system.store.log.head().await.unwrap());
        assert_eq!(found.count(), 3);
        let [table] = found.tables.as_slice() else { panic!("{found:?}") };
        assert_eq!((table.missing, table.extra, table.changed), (1, 1, 1));
        let [extra, changed, missing] = table.rows.as_slice() else { panic!("{table:?}") };
        assert!(matches!(extra, RowDifference::Extra { row, .. } if row["worker_id"] == 5));
        let columns = json!({
            "end_cause": { "live": "mice", "rebuilt": null },
            "surface": { "live": "cat", "rebuilt": "v1" },
        });
        let expected =
            json!({ "difference": "changed", "key": { "worker_id": 7 }, "columns": columns });
        assert_eq!(serde_json::to_value(changed).unwrap(), expected);
        assert!(matches!(missing, RowDifference::Missing { row, .. } if row["worker_id"] == 8));

        let first = diff(&system.pool, projection("workers"), 1, &mut |_| ()).await.unwrap();
        assert_eq!((first.count(), first.tables[0].rows.len()), (3, 1), "counted, not told");
        let other = diff(&system.pool, projection("catalogue"), 1, &mut |_| ()).await.unwrap();
        assert_eq!((other.count(), other.tables.len()), (0, 6));
        nothing_is_left(&system).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_at_different_positions_are_each_verified_at_their_own() {
    with_system(|system| async move {
        system.live_over_v1().await;
        system.project().await;
        let behind = system.slowest().await;
        system.execute("CREATE TABLE kept AS TABLE read_models.worker_requests").await;
        system.live_natively().await;
        system.request(4, Request::Shutdown, at(20_000)).await;
        system.project().await;
        system
            .execute(&format!(
                "TRUNCATE read_models.worker_requests;
                 INSERT INTO read_models.worker_requests TABLE kept;
                 UPDATE checkpoints SET position = {behind} WHERE name = 'projector.worker_requests'"
            ))
            .await;
        let head = system.store.log.head().await.unwrap();
        for table in verified(&system).await {
            let expected = if table.table == "worker_requests" { behind } else { head };
            assert_eq!(table.position, expected, "{table:?}");
            assert!(table.is_equal(), "{table:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_disturb_neither_each_other_nor_a_rebuild() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let mut rebuild = Rebuild::begin(&system.store.log, &PROJECTIONS).await.unwrap();
        let mut silent = |_: Progress| ();
        let rebuilt = rebuild.fill(&mut silent);
        let (workers, mut quiet) = (projection("workers"), |_: Progress| ());
        let diffed = diff(&system.pool, workers, 1, &mut quiet);
        let (first, second, rebuilt, diffed) =
            tokio::join!(verified(&system), verified(&system), rebuilt, diffed);
        assert_eq!(first, second);
        assert!(first.iter().all(TableComparison::is_equal), "{first:?}");
        assert_eq!(diffed.unwrap().count(), 0);
        rebuilt.unwrap();
        let rebuilt = rebuild.differences(1, &mut |_| ()).await.unwrap().unwrap();
        assert!(rebuilt.iter().all(|found| found.count() == 0), "{rebuilt:?}");
        nothing_is_left(&system).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_abandoned_half_way_leaves_nothing_behind() {
    with_system(|system| async move {
        system.live_through_everything().await;
        system.project().await;
        let (half_way, mut is_half_way) = tokio::sync::mpsc::unbounded_channel();
        let mut tell = |progress| half_way.send(progress).unwrap();
        tokio::select! {
            biased;
            progress = is_half_way.recv() => {
                assert!(matches!(progress, Some(Progress::Filling { .. })), "{progress:?}");
            }
            outcome = verify(&system.pool, &PROJECTIONS, &mut tell) => panic!("{outcome:?}"),
        }
        nothing_is_left(&system).await;
        assert_equal(&system).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standings_tell_head_relay_and_each_projection_apart() {
    with_system(|system| async move {
        let fresh = standings(&system.pool).await.unwrap();
        let seed = fresh.head;
        assert!(fresh.projections.iter().all(|(_, projection)| projection.behind == seed.0));
        assert!(fresh.projections.iter().all(|(_, projection)| projection.moved_at.is_none()));

        system.register(6, at(0)).await;
        system.project().await;
        system.register(7, at(0)).await;
        system
            .execute(
                "UPDATE checkpoints SET position = position - 1 WHERE name = 'projector.workers'",
            )
            .await;
        let now = standings(&system.pool).await.unwrap();
        assert_eq!(now.head, system.store.log.head().await.unwrap());
        assert!(now.head_recorded_at.is_some());
        assert_eq!((now.relay.position, now.relay.behind), (Position(0), now.head.0));
        assert!(!now.relay.waiting.is_zero(), "since the seed was written");
        for (projection, standing) in &now.projections {
            let behind = now.head.0 - system.checkpoint(&projection.checkpoint()).await.0;
            assert!(behind > 0);
            assert_eq!(standing.behind, behind, "{}", projection.name);
            assert!(standing.moved_at.is_some() && !standing.waiting.is_zero());
        }
        assert_eq!(now.projections[0].1.behind, now.projections[1].1.behind + 1);

        system.project().await;
        let done = standings(&system.pool).await.unwrap();
        for (_, standing) in &done.projections {
            assert_eq!((standing.behind, standing.waiting.as_nanos()), (0, 0));
        }
    })
    .await;
}
