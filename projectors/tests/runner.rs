//! The runner: replicas, bad events, bad days.

mod support;

use domain::StatusType;
use projectors::Projectors;
use support::commands::at;
use support::{Running, eventually, with_system};

#[tokio::test(flavor = "multi_thread")]
async fn of_several_replicas_another_takes_over_when_one_is_killed() {
    with_system(|system| async move {
        let replicas = [system.start_projectors(), system.start_projectors()];
        system.register(1, at(0)).await;
        system.caught_up().await;
        let [first, second] = replicas;
        first.kill().await;
        system.register(2, at(0)).await;
        system.caught_up().await;
        assert_eq!(system.row("workers", 2).await["worker_id"], 2);
        second.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_stands_by_while_another_holds_the_checkpoints() {
    with_system(|system| async move {
        system.project().await;
        let mut other = system.pool.begin().await.unwrap();
        event_store::lock(&mut other, &["projector.workers"]).await.unwrap().unwrap();
        let projectors = Projectors::new(system.store.log.clone());
        let status = projectors.status();
        let _running = Running::start(|stop| projectors.run(stop));
        eventually("it stands by in good health", async || status.check().is_ok()).await;
        system.register(6, at(0)).await;
        let head = system.store.log.head().await.unwrap();
        assert!(system.slowest().await < head);

        other.rollback().await.unwrap();
        system.caught_up().await;
        eventually("it says how far it is", async || status.position() == head).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_stops_the_projections_at_it() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        let head = system.store.log.head().await.unwrap();
        system
            .execute(
                "INSERT INTO events SELECT position + 1, aggregate_type, aggregate_id, sequence + 1,
                        'WorkerTeleported', '1', '{\"WorkerTeleported\":{}}', metadata,
                        gen_random_uuid(), recorded_at FROM events ORDER BY position DESC LIMIT 1;
                 UPDATE log_head SET position = position + 1",
            )
            .await;
        let projectors = Projectors::new(system.store.log.clone());
        let status = projectors.status();
        let running = Running::start(|stop| projectors.run(stop));
        let place = format!("event {} cannot be read", head.0 + 1);
        eventually("it says where it stopped", async || {
            status.check().is_err_and(|problem| problem.contains(&place))
        })
        .await;
        // What stands before it is there, nothing behind it was skipped to.
        assert_eq!(system.row("workers", 6).await["worker_id"], 6);
        assert_eq!(system.slowest().await, head);
        running.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_go_on_after_their_connection_was_lost() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.register(6, at(0)).await;
        system.caught_up().await;
        system
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        let reported = async {
            let report = domain::StatusReport {
                status: StatusType::Running,
                as_of: at(1),
                received_at: at(1),
            };
            let command = domain::worker::WorkerCommand::ReportStatus(report);
            let actor = event_store::Actor::system("test");
            let context = event_store::CommandContext::new(actor, uuid::Uuid::now_v7());
            system.store.workers.execute("6", command, &context).await.is_ok()
        };
        // The first may meet a connection of the pool that was cut.
        if !reported.await {
            system.worker_reports(6, StatusType::Running, at(2)).await;
        }
        system.caught_up().await;
        assert_eq!(system.row("workers", 6).await["status"], "RUNNING");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_deleted_stops_the_projection_that_needs_it() {
    with_system(|system| async move {
        system.register(6, at(0)).await;
        system.project().await;
        system.execute("DELETE FROM read_models.workers").await;
        system.worker_reports(6, StatusType::Running, at(1)).await;
        let projectors = Projectors::new(system.store.log.clone());
        let status = projectors.status();
        let _running = Running::start(|stop| projectors.run(stop));
        eventually("it says what is missing", async || {
            status.check().is_err_and(|problem| {
                problem.ends_with("changes a row of workers that does not exist")
            })
        })
        .await;
    })
    .await;
}
