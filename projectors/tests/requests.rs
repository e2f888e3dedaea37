//! How requests come out, read off what v1 workers do; native workers tell it themselves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use chrono::Duration;
use domain::game_server_instance::InstanceClosedBy;
use domain::worker::{Outcome, Request, WorkerClosedBy};
use domain::{GameServerConfigId, GameServerInstanceId};
use serde_json::{Value, json};
use support::commands::now;
use support::liveness::{config, watched};
use support::{System, eventually, with_system};
use uuid::Uuid;

fn start() -> Request {
    Request::Start { game_server_config_id: GameServerConfigId(1) }
}

fn stop() -> Request {
    Request::Stop { game_server_config_id: GameServerConfigId(1) }
}

async fn outcome(system: &System, request: Uuid, expected: &str) -> Value {
    eventually(&format!("the request is {expected}"), async || {
        system.caught_up().await;
        system.row("worker_requests", request).await["outcome"] == expected
    })
    .await;
    system.row("worker_requests", request).await
}

async fn still_pending(system: &System, request: Uuid) {
    system.two_more_passes().await;
    system.caught_up().await;
    assert_eq!(system.row("worker_requests", request).await["outcome"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_is_fulfilled_by_an_instance_of_its_own_the_oldest_first() {
    watched(config(), |system| async move {
        let begin = now();
        system.register(6, begin).await;
        system.register(7, begin).await;
        // Begun before anybody asked, or elsewhere: no fruit of these.
        system.create_instance(10, 6, begin).await;
        let requests = [
            system.request(6, start(), begin + Duration::milliseconds(1)).await,
            system.request(6, start(), begin + Duration::milliseconds(2)).await,
            system.request(6, start(), begin + Duration::milliseconds(3)).await,
        ];
        system.create_instance(11, 7, begin + Duration::milliseconds(5)).await;
        still_pending(&system, requests[0]).await;

        system.create_instance(12, 6, begin + Duration::milliseconds(5)).await;
        let first = outcome(&system, requests[0], "fulfilled").await;
        assert_eq!(first["game_server_instance_id"], 12);
        system.create_instance(13, 6, begin + Duration::milliseconds(6)).await;
        let second = outcome(&system, requests[1], "fulfilled").await;
        assert_eq!(second["game_server_instance_id"], 13);
        still_pending(&system, requests[2]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_fulfilled_when_the_config_has_no_open_instance_on_the_worker_any_more() {
    watched(config(), |system| async move {
        system.register(6, now()).await;
        system.create_instance(12, 6, now()).await;
        let request = system.request(6, stop(), now()).await;
        still_pending(&system, request).await;
        system.close_instance(12, InstanceClosedBy::Shutdown, now()).await;
        outcome(&system, request, "fulfilled").await;
        // Where there is nothing to stop, it is done at once.
        let again = system.request(6, stop(), now()).await;
        outcome(&system, again, "fulfilled").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn console_words_are_fulfilled_once_they_are_relayed() {
    watched(config(), |system| async move {
        system.register(6, now()).await;
        let stdin = Request::Stdin {
            game_server_config_id: GameServerConfigId(1),
            game_server_instance_id: Some(GameServerInstanceId(12)),
            words: vec!["say".to_owned()],
        };
        let request = system.request(6, stdin, now()).await;
        let head = system.store.log.head().await.unwrap();
        system.execute(&format!("INSERT INTO checkpoints VALUES ('relay', {})", head.0 - 1)).await;
        still_pending(&system, request).await;
        // What the relay has put aside is in nobody's queue.
        system
            .execute(&format!(
                "INSERT INTO parked_events (subscription, position, aggregate_type, aggregate_id,
                                            event_id, event_type, error, attempts)
                 SELECT 'relay', position, aggregate_type, aggregate_id, event_id, event_type, 'mice', 1
                   FROM events WHERE position = {0};
                 UPDATE checkpoints SET position = {0} WHERE name = 'relay'",
                head.0
            ))
            .await;
        still_pending(&system, request).await;
        system.execute("DELETE FROM parked_events").await;
        let row = outcome(&system, request, "fulfilled").await;
        assert_eq!(row["game_server_instance_id"], 12);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_is_fulfilled_when_the_worker_says_goodbye() {
    watched(config(), |system| async move {
        system.register(6, now()).await;
        let request = system.request(6, Request::Shutdown, now()).await;
        still_pending(&system, request).await;
        system.close_worker(6, WorkerClosedBy::Shutdown, now()).await;
        outcome(&system, request, "fulfilled").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_is_heard_of_times_out() {
    watched(config(), |system| async move {
        // The deadline is a minute after the request.
        let long_ago = now() - Duration::minutes(2);
        system.register(6, long_ago).await;
        let undone = system.request(6, Request::Shutdown, long_ago).await;
        let row = outcome(&system, undone, "timed_out").await;
        assert_eq!(row["reason"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn what_was_done_is_fulfilled_although_nobody_looked_before_the_deadline() {
    with_system(|system| async move {
        let long_ago = now() - Duration::minutes(2);
        system.register(6, long_ago).await;
        let done = system.request(6, start(), long_ago).await;
        system.create_instance(12, 6, now()).await;
        let _projectors = system.start_projectors();
        system.caught_up().await;
        let _liveness = system.start_liveness(config());
        let row = outcome(&system, done, "fulfilled").await;
        assert_eq!(row["game_server_instance_id"], json!(12));
    })
    .await;
}

/// What would be the fruit of every request if the worker spoke v1.
async fn everything_that_v1_is_judged_by(system: &System, requested: &[Request]) -> Vec<Uuid> {
    let mut requests = Vec::new();
    for request in requested {
        requests.push(system.request(6, request.clone(), now()).await);
    }
    system.create_instance(12, 6, now()).await;
    system.close_instance(12, InstanceClosedBy::Shutdown, now()).await;
    let head = system.store.log.head().await.unwrap();
    system.execute(&format!("INSERT INTO checkpoints VALUES ('relay', {})", head.0)).await;
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_worker_tells_outcomes_itself() {
    watched(config(), |system| async move {
        system.register_native(6, "attic", now()).await;
        let stdin = Request::Stdin {
            game_server_config_id: GameServerConfigId(1),
            game_server_instance_id: None,
            words: vec!["say".to_owned()],
        };
        let requests = everything_that_v1_is_judged_by(&system, &[start(), stop(), stdin]).await;
        for request in &requests {
            still_pending(&system, *request).await;
        }
        for request in requests {
            let refused = Outcome::Refused { reason: "no room".to_owned() };
            system.resolve(6, request, refused, now()).await;
            assert_eq!(outcome(&system, request, "refused").await["reason"], "no room");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_native_worker_never_tells_times_out_too() {
    watched(config(), |system| async move {
        let long_ago = now() - Duration::minutes(2);
        system.register_native(6, "attic", long_ago).await;
        for request in [start(), stop(), Request::Shutdown] {
            let unanswered = system.request(6, request, long_ago).await;
            outcome(&system, unanswered, "timed_out").await;
        }
    })
    .await;
}
