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
async fn a_replica_stands_by_while_another_holds_the_leases() {
    with_system(|system| async move {
        system.project().await;
        system.execute(&lease_all_to("another", "1 hour")).await;
        let projectors = Projectors::new(system.store.log.clone());
        let status = projectors.status();
        let _running = Running::start(|stop| projectors.run(stop));
        eventually("it stands by in good health", async || status.check().is_ok()).await;
        system.register(6, at(0)).await;
        let head = system.store.log.head().await.unwrap();
        assert!(system.slowest().await < head);

        system.execute(&lease_all_to("another", "-1 s")).await;
        system.caught_up().await;
        eventually("it says how far it is", async || status.position() == head).await;
    })
    .await;
}

fn lease_all_to(owner: &str, term: &str) -> String {
    format!(
        "UPDATE checkpoints SET owner = '{owner}', epoch = epoch + 1,
                leased_until = now() + interval '{term}' WHERE name LIKE 'projector.%'"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_projections() {
    with_system(|system| async move {
        let _replicas = [system.start_projectors(), system.start_projectors()];
        eventually("each has two", async || {
            let held: Vec<i64> = sqlx::query_scalar(
                "SELECT count(*) FROM checkpoints
                  WHERE name LIKE 'projector.%' AND leased_until > now() GROUP BY owner",
            )
            .fetch_all(&system.pool)
            .await
            .unwrap();
            held == [2, 2]
        })
        .await;
        system.live_through_everything().await;
        system.caught_up().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_lost_its_leases_writes_nothing_and_goes_on_when_it_has_them_again() {
    with_system(|system| async move {
        let _projectors = system.start_projectors();
        system.register(6, at(0)).await;
        system.caught_up().await;
        // It is not asked, and its keeper does not know yet.
        system.execute(&lease_all_to("another", "400 ms")).await;
        let before = system.slowest().await;
        system.register(7, at(0)).await;
        assert_eq!(system.slowest().await, before);
        system.caught_up().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_whose_rows_are_of_another_version_is_left_alone() {
    with_system(|system| async move {
        system.project().await;
        system
            .execute("UPDATE checkpoints SET version = 99 WHERE name = 'projector.workers'")
            .await;
        let before = system.checkpoint("projector.workers").await;
        let _projectors = system.start_projectors();
        system.register(6, at(0)).await;
        let head = system.store.log.head().await.unwrap();
        eventually("the others go on", async || {
            system.checkpoint("projector.worker_requests").await == head
        })
        .await;
        assert_eq!(system.checkpoint("projector.workers").await, before);
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
