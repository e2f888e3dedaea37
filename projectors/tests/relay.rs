//! What the relay publishes, in which order, and that nothing is lost on the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use domain::game_server_instance::InstanceLostBy;
use domain::worker::{Request, WorkerClosedBy};
use domain::{GameServerConfigId, GameServerInstanceId, StatusType};
use messaging::Broker;
use messaging::contract::EntityType;
use projectors::{PieceStatus, Relay};
use serde_json::{Value, json};
use support::broker::{Listener, Namespace, Proxy, broker, with_broker};
use support::commands::at;
use support::{Running, System, eventually};

fn start(config: i32) -> Request {
    Request::Start { game_server_config_id: GameServerConfigId(config) }
}

fn run_relay(system: &System, namespace: &Namespace, broker: Broker) -> (Running, PieceStatus) {
    let relay = Relay::new(system.store.log.clone(), broker, namespace.topology.clone());
    let status = relay.status();
    (Running::start(|stop| relay.run(stop)), status)
}

async fn relayed(system: &System) {
    let head = system.store.log.head().await.unwrap();
    eventually("everything is relayed", async || system.checkpoint("relay").await >= head).await;
}

/// Listens to all domain events.
async fn events(namespace: &Namespace) -> Listener {
    let queue = namespace.queue("events", namespace.topology.events_exchange(), "#");
    Listener::on(namespace, queue).await
}

async fn statuses(namespace: &Namespace, key: &str) -> Listener {
    let queue = namespace.queue("statuses", namespace.topology.external_exchange(), key);
    Listener::on(namespace, queue).await
}

async fn commands(namespace: &Namespace, worker: i32) -> Listener {
    Listener::on(namespace, namespace.topology.command_queue(EntityType::Worker, worker)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_published_in_log_order_with_all_that_is_stored() {
    with_broker(|system, namespace| async move {
        let mut events = events(&namespace).await;
        system.live_through_everything().await;
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        let stored: Vec<(i64, uuid::Uuid, String, String, String, Value, Value)> = sqlx::query_as(
            "SELECT position, event_id, aggregate_type, aggregate_id, event_type, payload, metadata
               FROM events ORDER BY position",
        )
        .fetch_all(&system.pool)
        .await
        .unwrap();
        assert!(stored.len() > 50, "{}", stored.len());
        for (position, event_id, aggregate_type, aggregate_id, event_type, payload, metadata) in
            stored
        {
            let delivery = events.next().await;
            let key = format!("{aggregate_type}.{aggregate_id}.{event_type}");
            assert_eq!(delivery.routing_key, key);
            assert_eq!(delivery.message_id, Some(event_id.to_string()));
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            assert_eq!(
                (&body["position"], &body["payload"], &body["metadata"]),
                (&json!(position), &payload, &metadata)
            );
            let keys: Vec<_> = body.as_object().unwrap().keys().collect();
            assert_eq!(keys.len(), 10, "{keys:?}");
            delivery.ack().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_becomes_the_v1_command_of_its_worker() {
    with_broker(|system, namespace| async move {
        let mut worker = commands(&namespace, 6).await;
        system.register(6, at(0)).await;
        let config = GameServerConfigId(1);
        let stdin = Request::Stdin {
            game_server_config_id: config,
            game_server_instance_id: None,
            words: vec!["say".to_owned(), "hello there".to_owned()],
        };
        let stop = Request::Stop { game_server_config_id: config };
        for request in [start(1), stdin, stop, Request::Shutdown] {
            system.request(6, request, at(1)).await;
        }
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        for command in [
            json!({"command_type": "START", "command_args": ["1"]}),
            json!({"command_type": "STDIN", "command_args": ["1", "say", "hello there"]}),
            json!({"command_type": "STOP", "command_args": ["1"]}),
            json!({"command_type": "STOP", "command_args": []}),
        ] {
            assert_eq!(worker.next_json().await, command);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_which_request_it_is_by_when_it_is_due_and_for_which_instance() {
    with_broker(|system, namespace| async move {
        let mut worker = commands(&namespace, 6).await;
        system.register(6, at(0)).await;
        let stdin = |game_server_instance_id| Request::Stdin {
            game_server_config_id: GameServerConfigId(1),
            game_server_instance_id,
            words: vec!["say".to_owned()],
        };
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        for (request, instance) in [
            (start(1), None),
            (stdin(None), None),
            (stdin(Some(GameServerInstanceId(12))), Some("12")),
            (Request::Shutdown, None),
        ] {
            let id = system.request(6, request, at(1)).await;
            let delivery = worker.next().await;
            let header = |name: &str| delivery.headers.get(name).map(String::as_str);
            assert_eq!(header("x-manman-request-id"), Some(id.to_string().as_str()));
            assert_eq!(header("x-manman-deadline"), Some("2026-01-02T03:05:05.001000Z"));
            assert_eq!(header("x-manman-instance-id"), instance);
            delivery.ack().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_a_worker_that_has_not_declared_its_queue_yet() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        system.request(6, start(1), at(1)).await;
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        relayed(&system).await;
        let command = commands(&namespace, 6).await.next_json().await;
        assert_eq!(command, json!({"command_type": "START", "command_args": ["1"]}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_in_a_new_queue_when_the_old_one_went_with_its_consumer() {
    with_broker(|system, namespace| async move {
        system.register(6, at(0)).await;
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        let mut worker = commands(&namespace, 6).await;
        system.request(6, start(1), at(1)).await;
        worker.next_json().await;
        worker.leave().await;
        for config in [2, 3] {
            system.request(6, start(config), at(2)).await;
        }
        relayed(&system).await;
        let mut worker = commands(&namespace, 6).await;
        for config in ["2", "3"] {
            assert_eq!(worker.next_json().await["command_args"], json!([config]));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_get_every_status_that_became_current_and_no_other() {
    with_broker(|system, namespace| async move {
        let mut statuses = statuses(&namespace, "worker.*.status").await;
        system.register(6, at(0)).await;
        system.worker_reports(6, StatusType::Running, at(20)).await;
        system.worker_reports(6, StatusType::Created, at(10)).await;
        system.worker_lost(6, at(30)).await;
        system.worker_recovered(6, at(40)).await;
        system.worker_lost(6, at(50)).await;
        system.close_worker(6, WorkerClosedBy::LostTooLong, at(60)).await;
        system.project().await;
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        for (status, class, as_of) in [
            ("RUNNING", "worker", "2026-01-02T03:04:05.020000+00:00"),
            ("LOST", "StatusEventProcessor", "2026-01-02T03:04:05.030000+00:00"),
            ("RUNNING", "StatusEventProcessor", "2026-01-02T03:04:05.040000+00:00"),
            ("LOST", "StatusEventProcessor", "2026-01-02T03:04:05.050000+00:00"),
            ("COMPLETE", "StatusEventProcessor", "2026-01-02T03:04:05.060000+00:00"),
        ] {
            let delivery = statuses.next().await;
            assert_eq!(delivery.routing_key, "worker.6.status");
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            let id = body["status_info_id"].as_i64().unwrap();
            assert!(id > 0);
            assert_eq!(
                body,
                json!({
                    "class_name": class, "status_type": status, "as_of": as_of, "status_info_id": id,
                    "worker_id": 6, "game_server_instance_id": null,
                })
            );
            delivery.ack().await;
            if status == "COMPLETE" {
                // The id is that of the read model.
                assert_eq!(system.row("workers", 6).await["status_info_id"], id);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_an_instance_names_the_instance() {
    with_broker(|system, namespace| async move {
        let mut statuses = statuses(&namespace, "game_server_instance.*.status").await;
        system.register(6, at(0)).await;
        system.create_instance(12, 6, at(1)).await;
        system.instance_reports(12, StatusType::Created, at(2)).await;
        system.instance_lost(12, InstanceLostBy::Worker, at(3)).await;
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        for (status, class) in
            [("CREATED", "game_server_instance"), ("LOST", "StatusEventProcessor")]
        {
            let body = statuses.next_json().await;
            assert_eq!(
                (&body["status_type"], &body["class_name"]),
                (&json!(status), &json!(class))
            );
            assert_eq!(
                (&body["worker_id"], &body["game_server_instance_id"]),
                (&Value::Null, &json!(12))
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_broker_is_away_and_commands_keep_their_order() {
    with_broker(|system, namespace| async move {
        let proxy = Proxy::cut().await;
        let (_relay, status) = run_relay(&system, &namespace, proxy.broker("relay"));
        for worker in 1..=3 {
            system.register(worker, at(0)).await;
        }
        for config in 0..100 {
            for worker in 1..=3 {
                system.request(worker, start(config), at(1)).await;
            }
        }
        eventually("it says that the broker is away", async || {
            status.check().is_err_and(|problem| problem.contains("broker"))
        })
        .await;
        proxy.set_open(true);
        relayed(&system).await;
        for worker in 1..=3 {
            let mut queue = commands(&namespace, worker).await;
            for config in 0..100 {
                let command = queue.next_json().await;
                assert_eq!(command["command_args"], json!([config.to_string()]), "{worker}");
            }
        }
        eventually("it is well again", async || status.check().is_ok()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_again_and_again_delays_commands_and_loses_none() {
    with_broker(|system, namespace| async move {
        let proxy = Proxy::cut().await;
        proxy.set_open(true);
        system.register(6, at(0)).await;
        let (_relay, _) = run_relay(&system, &namespace, proxy.broker("relay"));
        for config in 0..300 {
            system.request(6, start(config), at(1)).await;
            proxy.set_open(config % 30 != 0);
        }
        proxy.set_open(true);
        relayed(&system).await;
        let mut queue = commands(&namespace, 6).await;
        let mut expected = 0;
        while expected < 300 {
            let command = queue.next_json().await;
            let config: i32 = command["command_args"][0].as_str().unwrap().parse().unwrap();
            // At least once: what was sent before a cut may come again, never anything too early.
            assert!(config <= expected, "{config} before {expected}");
            expected = expected.max(config + 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_of_a_worker_that_ended_is_removed_with_what_nobody_will_take() {
    with_broker(|system, namespace| async move {
        let (_relay, _) = run_relay(&system, &namespace, broker("relay"));
        for (worker, by) in [
            (1, WorkerClosedBy::LostTooLong),
            (2, WorkerClosedBy::SupersededBy(domain::WorkerId(1))),
        ] {
            system.register(worker, at(0)).await;
            system.request(worker, start(1), at(1)).await;
            relayed(&system).await;
            system.close_worker(worker, by, at(2)).await;
        }
        system.register(3, at(0)).await;
        relayed(&system).await;
        // A superseded worker may still come for what waits.
        assert_eq!(commands(&namespace, 2).await.next_json().await["command_type"], "START");
        // Of the other's queue only a new one is left: the next command is the first in it.
        let first = namespace.topology.command_queue(EntityType::Worker, 1);
        let mut first = Listener::on(&namespace, first).await;
        let key = "worker.1.command";
        namespace.publish(key, r#"{"marker": true}"#, "marker").await;
        assert_eq!(first.next_json().await, json!({"marker": true}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_relays_works_and_another_takes_over() {
    with_broker(|system, namespace| async move {
        let mut events = events(&namespace).await;
        let (first, _) = run_relay(&system, &namespace, broker("relay-1"));
        let (_second, _) = run_relay(&system, &namespace, broker("relay-2"));
        for worker in 1..=20 {
            system.register(worker, at(0)).await;
        }
        relayed(&system).await;
        first.kill().await;
        for worker in 21..=40 {
            system.register(worker, at(0)).await;
        }
        relayed(&system).await;
        let head = system.store.log.head().await.unwrap();
        for position in 1..=head.0 {
            assert_eq!(events.next_json().await["position"], position);
        }
    })
    .await;
}
