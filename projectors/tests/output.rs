//! For how long the output of instances is kept.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::StatusType::Running as RunningStatus;
use domain::game_server_instance::InstanceClosedBy;
use support::commands::now;
use support::liveness::config;
use support::{System, eventually, with_system};

/// The output of these instances changed last so many days ago.
async fn printed(system: &System, ids: &str, days: i32) {
    system
        .execute(&format!(
            "INSERT INTO instance_output
             SELECT id, 1, '{{tick}}', now() - interval '{days} d' FROM generate_series({ids}) AS id"
        ))
        .await;
}

async fn kept(system: &System) -> Vec<i32> {
    sqlx::query_scalar("SELECT game_server_instance_id FROM instance_output ORDER BY 1")
        .fetch_all(&system.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_what_ended_is_forgotten_a_month_after_it_changed_last() {
    with_system(|system| async move {
        system.register(6, now()).await;
        for id in [11, 12, 13] {
            system.create_instance(id, 6, now()).await;
            system.instance_reports(id, RunningStatus, now()).await;
        }
        for id in [11, 12] {
            system.close_instance(id, InstanceClosedBy::Shutdown, now()).await;
        }
        system.project().await;
        printed(&system, "11, 11", 29).await;
        printed(&system, "12, 13", 31).await;

        let _liveness = system.start_liveness(config());
        // The one that still runs was quiet for a month.
        eventually("old output is forgotten", async || kept(&system).await == [11, 13]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_forgotten_in_batches_and_not_at_every_pass() {
    with_system(|system| async move {
        printed(&system, "1, 10003", 31).await;
        let _projectors = system.start_projectors();
        let liveness = system.start_liveness(config());
        eventually("a batch is forgotten", async || kept(&system).await.len() == 3).await;
        system.two_more_passes().await;
        assert_eq!(kept(&system).await.len(), 3);
        liveness.stop().await;

        let _next = system.start_liveness(config());
        eventually("another process takes the rest", async || kept(&system).await.is_empty()).await;
    })
    .await;
}
