//! Events that a rebuild cannot handle, and those that somebody decided to leave out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::StatusType;
use event_store::{Actor, CommandContext, Position};
use projectors::{Differences, PROJECTIONS, RebuildError};
use support::commands::at;
use support::rebuilding::{by_anna, projection};
use support::{System, eventually, with_system};
use uuid::Uuid;

impl System {
    async fn head(&self) -> Position {
        self.store.log.head().await.unwrap()
    }

    /// Position and error, by position.
    async fn parked(&self, subscription: &str) -> Vec<(i64, Option<String>)> {
        sqlx::query_as(
            "SELECT position, error FROM parked_events WHERE subscription = $1 ORDER BY position",
        )
        .bind(subscription)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    async fn skip(&self, position: Position) {
        let context = CommandContext::new(Actor::user("anna"), Uuid::now_v7());
        let subscription = "projector.workers";
        event_store::skip_parked(&self.store, subscription, position, &context).await.unwrap();
    }
}

/// Worker 7 is refused by the table; returns where it was registered, and where the last event behind that
/// stands.
async fn refused(system: &System) -> (Position, Position) {
    system
        .execute("ALTER TABLE read_models.workers ADD CONSTRAINT poison CHECK (worker_id <> 7)")
        .await;
    system.register(6, at(0)).await;
    system.register(7, at(0)).await;
    let poison = system.head().await;
    system.worker_reports(6, StatusType::Running, at(2)).await;
    system.worker_reports(7, StatusType::Running, at(3)).await;
    (poison, system.head().await)
}

/// Worker 7 has an event that nobody can read between two that all can; returns where that stands.
async fn unreadable(system: &System) -> Position {
    system.register(6, at(0)).await;
    system.register(7, at(0)).await;
    system.worker_reports(7, StatusType::Initializing, at(1)).await;
    system
        .execute(
            "INSERT INTO events SELECT h.position + 1, aggregate_type, aggregate_id, 10, 'WorkerTeleported', '1',
                    '{\"WorkerTeleported\":{}}', metadata, gen_random_uuid(), e.recorded_at
               FROM events e, log_head h WHERE aggregate_type = 'worker' AND aggregate_id = '7' LIMIT 1;
             UPDATE log_head SET position = position + 1;
             INSERT INTO events SELECT h.position + 1, aggregate_type, aggregate_id, 11, event_type, event_version,
                    replace(replace(payload::text, 'INITIALIZING', 'RUNNING'), ':01', ':02')::json, metadata,
                    gen_random_uuid(), e.recorded_at
               FROM events e, log_head h
              WHERE aggregate_type = 'worker' AND aggregate_id = '7' AND event_type = 'WorkerStatusReported';
             UPDATE log_head SET position = position + 1",
        )
        .await;
    Position(system.head().await.0 - 1)
}

async fn no_parked(system: &System) {
    let _projectors = system.start_projectors();
    let none = async || system.parked("projector.workers").await.is_empty();
    eventually("what was parked is applied", none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_is_parked_by_a_rebuild_as_by_the_live_ones() {
    with_system(|system| async move {
        let (poison, behind) = refused(&system).await;
        system.project().await;
        let parked = system.parked("projector.workers").await;
        assert_eq!(parked.iter().map(|it| it.0).collect::<Vec<_>>(), [poison.0, behind.0]);

        let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        let rebuilt = system.parked("rebuild.workers").await;
        assert_eq!(rebuilt.len(), 2);
        assert!(rebuilt[0].1.as_ref().unwrap().contains("poison") && rebuilt[1].1.is_none());
        let found = rebuild.differences(10, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!(found.iter().map(Differences::count).sum::<i64>(), 0, "{found:?}");
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        assert_eq!(system.parked("projector.workers").await, rebuilt);
        assert!(system.no_rebuild_is_left().await);

        assert_eq!(system.rows("workers").await.len(), 1);
        system.worker_reports(7, StatusType::Complete, at(4)).await;
        system.project().await;
        assert_eq!(system.parked("projector.workers").await.len(), 3, "it is still in the way");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_without_what_failed_leaves_nothing_parked() {
    with_system(|system| async move {
        refused(&system).await;
        system.project().await;
        system.execute("ALTER TABLE read_models.workers DROP CONSTRAINT poison").await;
        system.rebuild(&[projection("workers")]).await;
        assert_eq!(system.parked("projector.workers").await, []);
        assert_eq!(system.row("workers", 7).await["status"], "RUNNING");
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_skipped_is_left_out_of_a_rebuild_and_stops_nothing() {
    with_system(|system| async move {
        let poison = unreadable(&system).await;
        system.project().await;
        assert_eq!(system.parked("projector.workers").await.len(), 2);
        system.skip(poison).await;
        system.project().await;
        no_parked(&system).await;
        system.assert_what_the_log_says().await;
        let mut rebuild = system.begin(&PROJECTIONS).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        let found = rebuild.differences(10, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!(found.iter().map(Differences::count).sum::<i64>(), 0, "{found:?}");
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        assert_eq!(system.row("workers", 7).await["status"], "RUNNING");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_while_a_rebuild_has_it_parked_is_left_out_of_that_too() {
    with_system(|system| async move {
        let poison = unreadable(&system).await;
        system.project().await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        assert_eq!(system.parked("rebuild.workers").await.len(), 2);
        system.skip(poison).await;
        system.project().await;
        no_parked(&system).await;
        let found = rebuild.differences(10, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!(found[0].count(), 0, "{found:?}");
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        assert_eq!(system.parked("projector.workers").await, []);
        assert_eq!(system.row("workers", 7).await["status"], "RUNNING");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_after_a_rebuild_had_it_ends_the_rebuild() {
    with_system(|system| async move {
        let (poison, _) = refused(&system).await;
        system.project().await;
        system.execute("ALTER TABLE read_models.workers DROP CONSTRAINT poison").await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        system.skip(poison).await;
        let error = rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap_err();
        assert!(
            matches!(error, RebuildError::SkippedMeanwhile { position, .. } if position == poison),
            "{error}"
        );
        system.project().await;
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_between_two_runs_of_a_rebuild_that_had_it_ends_the_rebuild() {
    with_system(|system| async move {
        let (poison, _) = refused(&system).await;
        system.project().await;
        system.execute("ALTER TABLE read_models.workers DROP CONSTRAINT poison").await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        rebuild.leave().await.unwrap();
        system.skip(poison).await;
        let mut rebuild = system.resume(&[projection("workers")]).await.unwrap();
        let error = rebuild.fill(&mut |_| ()).await.unwrap_err();
        assert!(
            matches!(error, RebuildError::SkippedMeanwhile { position, .. } if position == poison),
            "{error}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_version_are_filled_anew_without_what_was_skipped_meanwhile() {
    with_system(|system| async move {
        let (poison, _) = refused(&system).await;
        system.project().await;
        system.execute("ALTER TABLE read_models.workers DROP CONSTRAINT poison").await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        rebuild.leave().await.unwrap();
        system.skip(poison).await;
        system.execute("UPDATE checkpoints SET version = 0 WHERE name = 'projector.workers'").await;
        let _replica = system.start_projectors();
        eventually("its rows are of this version", async || {
            let version: i32 = system
                .value("SELECT version FROM checkpoints WHERE name = 'projector.workers'")
                .await;
            version == projection("workers").version
        })
        .await;
        system.caught_up().await;
        system.assert_what_the_log_says().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_resumed_rebuild_has_left_out_before_does_not_end_it() {
    with_system(|system| async move {
        let poison = unreadable(&system).await;
        system.project().await;
        system.skip(poison).await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        rebuild.leave().await.unwrap();
        let mut rebuild = system.resume(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        assert_eq!(system.row("workers", 7).await["status"], "RUNNING");
        let left: Option<String> = system
            .value("SELECT obj_description('read_models.workers'::regclass, 'pg_class')")
            .await;
        assert_eq!(left, None, "the note is gone");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_tried_again_is_still_to_be_after_a_switch() {
    with_system(|system| async move {
        let (poison, _) = refused(&system).await;
        system.project().await;
        let mut rebuild = system.begin(&[projection("workers")]).await.unwrap();
        rebuild.fill(&mut |_| ()).await.unwrap();
        let context = CommandContext::new(Actor::user("anna"), Uuid::now_v7());
        event_store::retry_parked(&system.store, "projector.workers", poison, &context)
            .await
            .unwrap();
        rebuild.switch(&by_anna(), &mut |_| ()).await.unwrap();
        let requested: i64 = system
            .value(
                "SELECT count(*) FROM parked_events
                  WHERE subscription = 'projector.workers' AND retry_requested_at IS NOT NULL",
            )
            .await;
        assert_eq!(requested, 2);
        system.execute("ALTER TABLE read_models.workers DROP CONSTRAINT poison").await;
        no_parked(&system).await;
        system.assert_what_the_log_says().await;
    })
    .await;
}
