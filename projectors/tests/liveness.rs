//! Who is lost, who is back, and what has ended: each rule on short durations.

mod support;

use std::time::Duration;

use domain::StatusType::{Complete, Initializing, Running as RunningStatus};
use domain::WorkerId;
use domain::worker::WorkerClosedBy;
use projectors::LivenessConfig;
use support::commands::now;
use support::liveness::{LONG, NOW, config, watched};
use support::{System, eventually};

const INSTANCE: &str = "game_server_instance";

async fn happened(system: &System, entity: &str, id: i32, event: &str) {
    let event = event.to_owned();
    eventually(&format!("{event} of {entity} {id}"), async || {
        system.events_of(entity, id).await.contains(&event)
    })
    .await;
}

/// Waits until liveness has looked at everything twice more.
async fn nothing_more(system: &System, entity: &str, id: i32) {
    let before = system.events_of(entity, id).await;
    system.two_more_passes().await;
    assert_eq!(system.events_of(entity, id).await, before);
}

async fn running_worker(system: &System, id: i32) {
    system.register(id, now()).await;
    system.worker_reports(id, RunningStatus, now()).await;
}

async fn running_instance(system: &System, id: i32, worker: i32) {
    system.create_instance(id, worker, now()).await;
    system.instance_reports(id, RunningStatus, now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_heartbeats_end_is_lost_and_with_it_its_instances() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        running_instance(&system, 12, 6).await;
        system.beat("worker", 6, NOW).await;
        nothing_more(&system, "worker", 6).await;

        system.beat("worker", 6, -LONG).await;
        happened(&system, "worker", 6, "WorkerLost").await;
        happened(&system, INSTANCE, 12, "InstanceLost").await;
        system.caught_up().await;
        assert_eq!(system.row("game_server_instances", 12).await["lost_by"], "worker");
        // Declared once, however often it is seen.
        nothing_more(&system, "worker", 6).await;
        nothing_more(&system, INSTANCE, 12).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_worker_that_is_heard_again_recovers_and_so_do_its_instances() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        running_instance(&system, 12, 6).await;
        system.beat("worker", 6, -LONG).await;
        happened(&system, INSTANCE, 12, "InstanceLost").await;

        for (entity, id) in [("worker", 6), (INSTANCE, 12)] {
            system.beat(entity, id, NOW).await;
        }
        happened(&system, "worker", 6, "WorkerRecovered").await;
        happened(&system, INSTANCE, 12, "InstanceRecovered").await;
        system.caught_up().await;
        for (table, id) in [("workers", 6), ("game_server_instances", 12)] {
            assert_eq!(system.row(table, id).await["status"], "RUNNING");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_means_nothing_while_nobody_listens() {
    watched(config(), |system| async move {
        running_worker(&system, 6).await;
        system.beat("worker", 6, -LONG).await;
        nothing_more(&system, "worker", 6).await;
        // Somebody who began just now has not listened for long enough either.
        system.listening_since(3_600).await;
        nothing_more(&system, "worker", 6).await;
        // One who has gone since does not count.
        system.execute("UPDATE heartbeat_intakes SET listening_since = now() - interval '1 h', last_flush_at = now() - interval '1 min'").await;
        nothing_more(&system, "worker", 6).await;

        system.listening().await;
        happened(&system, "worker", 6, "WorkerLost").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_had_a_heartbeat_is_lost_after_a_grace() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        let long_ago = now() - chrono::Duration::seconds(LONG);
        system.register(7, long_ago).await;
        happened(&system, "worker", 7, "WorkerLost").await;
        nothing_more(&system, "worker", 6).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_final_status_is_not_lost() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        system.worker_reports(6, Complete, now()).await;
        system.beat("worker", 6, -LONG).await;
        nothing_more(&system, "worker", 6).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_lost_for_too_long_is_closed_with_its_instances() {
    let config = LivenessConfig {
        lost_after: Duration::from_millis(300),
        close_after: Duration::ZERO,
        ..config()
    };
    watched(config, |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        running_instance(&system, 12, 6).await;
        system.beat("worker", 6, -LONG).await;
        happened(&system, "worker", 6, "WorkerClosed").await;
        happened(&system, INSTANCE, 12, "InstanceClosed").await;
        system.caught_up().await;
        let worker = system.row("workers", 6).await;
        assert_eq!(
            (&worker["end_cause"], &worker["status"]),
            (&"lost too long".into(), &"COMPLETE".into())
        );
        let instance = system.row("game_server_instances", 12).await;
        assert_eq!(
            (&instance["end_cause"], &instance["status"]),
            (&"worker closed".into(), &"COMPLETE".into())
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_silent_while_its_worker_is_alive_is_lost_on_its_own_and_comes_back() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        let long_ago = now() - chrono::Duration::seconds(LONG);
        system.create_instance(12, 6, long_ago).await;
        system.instance_reports(12, RunningStatus, long_ago).await;
        system.beat("worker", 6, NOW).await;
        system.beat(INSTANCE, 12, -LONG).await;
        happened(&system, INSTANCE, 12, "InstanceLost").await;
        system.caught_up().await;
        assert_eq!(system.row("game_server_instances", 12).await["lost_by"], "silence");

        system.beat(INSTANCE, 12, NOW).await;
        happened(&system, INSTANCE, 12, "InstanceRecovered").await;
        nothing_more(&system, "worker", 6).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_still_installed_is_not_expected_to_have_heartbeats() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        system.beat("worker", 6, NOW).await;
        let long_ago = now() - chrono::Duration::seconds(LONG);
        system.create_instance(12, 6, long_ago).await;
        system.instance_reports(12, Initializing, long_ago).await;
        nothing_more(&system, INSTANCE, 12).await;
        // Once it runs, it has a while for its first.
        system.instance_reports(12, RunningStatus, now()).await;
        nothing_more(&system, INSTANCE, 12).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_falls_silent_together_with_its_worker_is_lost_with_it() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        let long_ago = now() - chrono::Duration::seconds(2 * LONG);
        system.create_instance(12, 6, long_ago).await;
        system.instance_reports(12, RunningStatus, long_ago).await;
        system.beat(INSTANCE, 12, -LONG).await;
        system.beat("worker", 6, -LONG).await;
        happened(&system, INSTANCE, 12, "InstanceLost").await;
        system.caught_up().await;
        assert_eq!(system.row("game_server_instances", 12).await["lost_by"], "worker");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_lost_with_its_worker_does_not_come_back_before_it() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        running_instance(&system, 12, 6).await;
        system.beat("worker", 6, -LONG).await;
        // A dead-locked v1 worker has no heartbeats, its instances have.
        system.beat(INSTANCE, 12, NOW).await;
        happened(&system, INSTANCE, 12, "InstanceLost").await;
        nothing_more(&system, INSTANCE, 12).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_a_closed_worker_is_closed_once_it_is_silent() {
    watched(config(), |system| async move {
        system.listening().await;
        let long_ago = now() - chrono::Duration::seconds(LONG);
        for id in [6, 7] {
            running_worker(&system, id).await;
            system.beat("worker", id, NOW).await;
        }
        system.create_instance(12, 6, long_ago).await;
        system.create_instance(13, 6, long_ago).await;
        system.create_instance(14, 7, long_ago).await;
        for id in [12, 13, 14] {
            system.instance_reports(id, RunningStatus, now()).await;
        }
        system.beat(INSTANCE, 13, NOW).await;
        system.close_worker(6, WorkerClosedBy::SupersededBy(WorkerId(7)), long_ago).await;
        happened(&system, INSTANCE, 12, "InstanceClosed").await;
        happened(&system, INSTANCE, 12, "InstanceStatusConcluded").await;
        // A zombie's instance that lives stays observable; one of an open worker is none of this.
        for id in [13, 14] {
            nothing_more(&system, INSTANCE, id).await;
        }
        let (actor, reason): (String, String) = sqlx::query_as(
            "SELECT metadata ->> 'actor_id', metadata ->> 'reason' FROM events
              WHERE event_type = 'InstanceClosed'",
        )
        .fetch_one(&system.pool)
        .await
        .unwrap();
        assert_eq!(actor, "liveness");
        assert!(reason.starts_with("its worker 6 is closed and it is silent since "), "{reason}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_and_never_reported_its_end_is_concluded() {
    watched(config(), |system| async move {
        let long_ago = now() - chrono::Duration::seconds(LONG);
        for id in [6, 7] {
            running_worker(&system, id).await;
        }
        running_instance(&system, 12, 7).await;
        system.close_worker(6, WorkerClosedBy::Shutdown, long_ago).await;
        let shutdown = domain::game_server_instance::InstanceClosedBy::Shutdown;
        system.close_instance(12, shutdown, long_ago).await;
        happened(&system, "worker", 6, "WorkerStatusConcluded").await;
        happened(&system, INSTANCE, 12, "InstanceStatusConcluded").await;
        // Just closed, it still has time to report.
        system.close_worker(7, WorkerClosedBy::Shutdown, now()).await;
        nothing_more(&system, "worker", 7).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_names_the_event_it_follows_from() {
    watched(config(), |system| async move {
        system.listening().await;
        running_worker(&system, 6).await;
        running_instance(&system, 12, 6).await;
        system.beat("worker", 6, -LONG).await;
        happened(&system, INSTANCE, 12, "InstanceLost").await;
        let is_chain: bool = sqlx::query_scalar(
            "SELECT i.metadata ->> 'causation_id' = w.event_id::text AND w.metadata ->> 'causation_id' = r.event_id::text
               FROM events i, events w, events r
              WHERE i.event_type = 'InstanceLost' AND w.event_type = 'WorkerLost'
                AND r.event_type = 'WorkerStatusReported'",
        )
        .fetch_one(&system.pool)
        .await
        .unwrap();
        assert!(is_chain);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_replicas_declare_a_loss_once() {
    watched(config(), |system| async move {
        let _others = [system.start_liveness(config()), system.start_liveness(config())];
        system.listening().await;
        for id in 1..=20 {
            running_worker(&system, id).await;
            running_instance(&system, 100 + id, id).await;
            system.beat("worker", id, -LONG).await;
        }
        for id in 1..=20 {
            happened(&system, INSTANCE, 100 + id, "InstanceLost").await;
        }
        system.two_more_passes().await;
        for id in 1..=20 {
            let lost =
                |events: Vec<String>| events.iter().filter(|event| event.ends_with("Lost")).count();
            assert_eq!(lost(system.events_of("worker", id).await), 1);
            assert_eq!(lost(system.events_of(INSTANCE, 100 + id).await), 1);
        }
    })
    .await;
}
