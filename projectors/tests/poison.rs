//! Events that a projection cannot handle: they and those behind them wait, all others flow on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::StatusType;
use event_store::Position;
use support::commands::at;
use support::{System, eventually, with_system};

const PARKED: &str = "SELECT position, error IS NOT NULL, attempts FROM parked_events WHERE subscription = $1 ORDER BY position";

impl System {
    /// Position, whether it failed itself, how often.
    async fn parked(&self, subscription: &str) -> Vec<(i64, bool, i32)> {
        sqlx::query_as(PARKED).bind(subscription).fetch_all(&self.pool).await.unwrap()
    }

    async fn head(&self) -> Position {
        self.store.log.head().await.unwrap()
    }

    /// As `manman dead-letters retry` asks for it.
    async fn retry_all(&self, subscription: &str) {
        self.execute(&format!(
            "UPDATE parked_events SET retry_requested_at = now() WHERE subscription = '{subscription}';
             UPDATE checkpoints SET epoch = epoch + 1 WHERE name = '{subscription}'"
        ))
        .await;
    }

    /// Something on the log that no version of the domain has ever written.
    async fn append_nonsense_to_worker(&self, id: i32) {
        self.execute(&format!(
            "INSERT INTO events SELECT h.position + 1, aggregate_type, aggregate_id, sequence + 1,
                    'WorkerTeleported', '1', '{{\"WorkerTeleported\":{{}}}}', metadata,
                    gen_random_uuid(), e.recorded_at
               FROM events e, log_head h WHERE aggregate_type = 'worker' AND aggregate_id = '{id}'
              ORDER BY sequence DESC LIMIT 1;
             UPDATE log_head SET position = position + 1"
        ))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_database_refuses_are_parked_with_what_follows_and_the_others_flow_on() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        for id in [6, 7, 8] {
            system.register(id, at(0)).await;
        }
        system.caught_up().await;
        system
            .execute(
                "ALTER TABLE read_models.workers ADD CONSTRAINT poison
                 CHECK (worker_id <> 7 OR status IS DISTINCT FROM 'RUNNING')",
            )
            .await;
        system.worker_reports(6, StatusType::Running, at(1)).await;
        system.worker_reports(7, StatusType::Running, at(1)).await;
        let poison = system.head().await.0;
        // Folded together with the next one, its row would never be what is refused.
        system.caught_up().await;
        system.worker_reports(7, StatusType::Complete, at(2)).await;
        let behind = system.head().await.0;
        system.worker_reports(8, StatusType::Running, at(1)).await;
        system.caught_up().await;
        assert_eq!(
            system.parked("projector.workers").await,
            [(poison, true, 1), (behind, false, 0)]
        );
        assert_eq!(system.row("workers", 6).await["status"], "RUNNING");
        assert_eq!(system.row("workers", 7).await["status"], serde_json::Value::Null);
        assert_eq!(system.row("workers", 8).await["status"], "RUNNING");

        // What comes later waits behind them, also after a takeover.
        system.execute("UPDATE checkpoints SET epoch = epoch + 1").await;
        system.worker_reports(7, StatusType::Complete, at(3)).await;
        let last = system.head().await.0;
        system.caught_up().await;
        assert_eq!(system.parked("projector.workers").await.last(), Some(&(last, false, 0)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mended_and_retried_equals_never_having_failed() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system
            .execute("ALTER TABLE read_models.workers ADD CONSTRAINT poison CHECK (worker_id <> 7)")
            .await;
        system.register(7, at(0)).await;
        system.worker_reports(7, StatusType::Running, at(1)).await;
        system.caught_up().await;
        system.retry_all("projector.workers").await;
        eventually("it failed again", async || {
            let parked = system.parked("projector.workers").await;
            parked.iter().map(|(_, failed, attempts)| (*failed, *attempts)).collect::<Vec<_>>()
                == [(true, 2), (false, 0)]
        })
        .await;
        system.execute("ALTER TABLE read_models.workers DROP CONSTRAINT poison").await;
        system.retry_all("projector.workers").await;
        eventually("nothing is parked", async || {
            system.parked("projector.workers").await.is_empty()
        })
        .await;
        assert_eq!(system.row("workers", 7).await["status"], "RUNNING");
        system.worker_reports(7, StatusType::Complete, at(2)).await;
        system.caught_up().await;
        assert_eq!(system.row("workers", 7).await["status"], "COMPLETE");
        for comparison in
            projectors::verify(&system.pool, &projectors::PROJECTIONS, &mut |_| ()).await.unwrap()
        {
            assert!(comparison.is_equal(), "{comparison:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_parked_by_whoever_reads_its_aggregate() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.register(6, at(0)).await;
        system.append_nonsense_to_worker(6).await;
        let nonsense = system.head().await.0;
        system.execute("SELECT pg_notify('events', '0')").await;
        system.create_instance(1, 6, at(1)).await;
        system.caught_up().await;
        for subscription in ["projector.workers", "projector.worker_requests"] {
            assert_eq!(system.parked(subscription).await, [(nonsense, true, 1)]);
        }
        assert_eq!(system.parked("projector.game_server_instances").await, []);
        assert_eq!(system.row("game_server_instances", 1).await["worker_id"], 6);
        for comparison in
            projectors::verify(&system.pool, &projectors::PROJECTIONS, &mut |_| ()).await.unwrap()
        {
            assert!(
                comparison.is_equal(),
                "a rebuild stops where the live ones do: {comparison:?}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_deleted_stops_its_entity_alone() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.register(7, at(0)).await;
        system.project().await;
        system.execute("DELETE FROM read_models.workers WHERE worker_id = 6").await;
        let _projectors = system.start_projectors();
        system.worker_reports(6, StatusType::Running, at(1)).await;
        let lost = system.head().await.0;
        system.worker_reports(7, StatusType::Running, at(1)).await;
        system.caught_up().await;
        assert_eq!(system.parked("projector.workers").await, [(lost, true, 1)]);
        assert_eq!(system.row("workers", 7).await["status"], "RUNNING");
        let error: String = sqlx::query_scalar("SELECT error FROM parked_events")
            .fetch_one(&system.pool)
            .await
            .unwrap();
        assert_eq!(error, "it changes a row of workers that does not exist");
    })
    .await;
}
