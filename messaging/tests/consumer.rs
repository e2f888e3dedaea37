//! Consuming: nothing is lost, nothing is handed out beyond the prefetch, and stopping is clean.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use futures::FutureExt;
use messaging::{
    Broker, Consumer, ConsumerConfig, Publisher, Topology,
    contract::{InternalStatusInfo, StatusType},
};
use support::{V1Client, config, consumer, message, next, soon, text, with_topology};
use tokio_util::sync::CancellationToken;

const KEY: &str = "worker.1.status";

async fn publish(topology: &Topology, ids: impl IntoIterator<Item = &str>) {
    let batch: Vec<_> = ids.into_iter().map(|id| message(topology, KEY, id)).collect();
    let mut publisher = Publisher::new(Broker::new("test.publisher", config()), topology.clone());
    publisher.publish(&batch).await.unwrap();
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_a_v1_worker_arrives_though_it_has_no_properties() {
    with_topology(|topology| async move {
        Publisher::new(Broker::new("test.publisher", config()), topology.clone())
            .connect()
            .await
            .unwrap();
        V1Client::connect()
            .await
            .publish(
                &topology.internal_exchange(),
                "game_server_instance.12.status",
                r#"{"entity_type":"game_server_instance","identifier":"12","as_of":"2026-01-02T03:04:05.989740+00:00","status_type":"CREATED"}"#,
            )
            .await;
        // The consumer starts after the worker has reported.
        let (mut consumer, _stop) =
            consumer(config(), &topology, topology.internal_status_queue(), 10);
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.routing_key, "game_server_instance.12.status");
        assert_eq!(delivery.exchange, topology.internal_exchange());
        assert_eq!((&delivery.message_id, &delivery.kind), (&None, &None));
        assert!(!delivery.redelivered);
        assert_eq!(delivery.earlier_attempts, 0);
        let status = InternalStatusInfo::parse(&delivery.body).unwrap();
        assert_eq!((status.id(), status.status_type), (Ok(12), StatusType::Created));
        assert!(delivery.ack().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requeued_message_is_delivered_again_and_an_acknowledged_one_is_not() {
    with_topology(|topology| async move {
        publish(&topology, ["1", "2"]).await;
        let queue = topology.internal_status_queue();
        let (mut consumer, stop) = consumer(config(), &topology, queue.clone(), 1);
        let first = next(&mut consumer).await;
        assert_eq!(first.headers.get("x-test").map(String::as_str), Some("1"));
        assert!(first.requeue().await);
        let again = next(&mut consumer).await;
        assert_eq!((again.message_id.as_deref(), again.redelivered), (Some("1"), true));
        assert!(again.ack().await);
        let second = next(&mut consumer).await;
        assert_eq!((second.message_id.as_deref(), second.redelivered), (Some("2"), false));
        assert!(second.ack().await);
        stop.cancel();
        assert!(consumer.next().await.is_none());
        drop(consumer);
        assert_eq!(V1Client::connect().await.waiting(&queue.name).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_handed_out_than_the_prefetch_allows() {
    with_topology(|topology| async move {
        publish(&topology, ["1", "2", "3"]).await;
        let queue = topology.internal_status_queue();
        let (mut consumer, _stop) = consumer(config(), &topology, queue.clone(), 2);
        let first = next(&mut consumer).await;
        let second = next(&mut consumer).await;
        // Counted by the broker: the third is still in the queue.
        assert_eq!(V1Client::connect().await.waiting(&queue.name).await.unwrap(), 1);
        assert!(consumer.next().now_or_never().is_none());
        assert!(first.ack().await);
        assert_eq!(text(&next(&mut consumer).await), r#""3""#);
        assert!(second.ack().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_work_in_flight_finish_and_gives_back_the_rest_at_once() {
    with_topology(|topology| async move {
        publish(&topology, ["1", "2", "3"]).await;
        let queue = topology.internal_status_queue();
        let (mut stopping, stop) = consumer(config(), &topology, queue.clone(), 10);
        let in_flight = next(&mut stopping).await;
        stop.cancel();
        assert!(soon("the consumer stops", stopping.next()).await.is_none());
        assert!(stopping.next().await.is_none(), "and stays stopped");

        let (mut successor, _stop) = consumer(config(), &topology, queue.clone(), 10);
        for expected in [r#""2""#, r#""3""#] {
            let delivery = next(&mut successor).await;
            assert_eq!(text(&delivery), expected);
            delivery.ack().await;
        }
        assert!(in_flight.ack().await, "its connection is still there");
        drop((stopping, successor));
        assert_eq!(V1Client::connect().await.waiting(&queue.name).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_waits_for_a_broker_stops_when_told() {
    with_topology(|topology| async move {
        let mut nowhere = config();
        nowhere.port = 1;
        let (mut consumer, stop) =
            consumer(nowhere, &topology, topology.internal_status_queue(), 1);
        assert!(consumer.next().now_or_never().is_none());
        stop.cancel();
        assert!(soon("the consumer stops", consumer.next()).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_exclusive_consumers_the_second_stands_by_and_takes_over() {
    with_topology(|topology| async move {
        let queue = topology.internal_status_queue();
        let exclusive = |name: &str| {
            let settings = ConsumerConfig { queue: queue.clone(), prefetch: 10, exclusive: true };
            let stop = CancellationToken::new();
            let broker = Broker::new(name, config());
            let consumer = Consumer::new(broker, topology.clone(), settings, stop.clone());
            (consumer, stop)
        };
        let (mut active, stop) = exclusive("test.active");
        publish(&topology, ["1"]).await;
        next(&mut active).await.ack().await;

        let (mut standby, _stop) = exclusive("test.standby");
        let link = standby.broker().clone();
        let taking_over = tokio::spawn(async move { next(&mut standby).await });
        soon("the stand-by is connected", link.connected()).await;
        publish(&topology, ["2"]).await;
        let second = next(&mut active).await;
        assert_eq!(text(&second), r#""2""#);
        second.ack().await;
        assert!(!taking_over.is_finished());

        stop.cancel();
        assert!(active.next().await.is_none());
        publish(&topology, ["3"]).await;
        let third = soon("the stand-by takes over", taking_over).await.unwrap();
        assert_eq!(text(&third), r#""3""#);
        third.ack().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_under_its_consumer_is_declared_again() {
    with_topology(|topology| async move {
        publish(&topology, ["1"]).await;
        let queue = topology.internal_status_queue();
        let (mut consumer, _stop) = consumer(config(), &topology, queue.clone(), 1);
        let subscriptions = consumer.subscriptions();
        next(&mut consumer).await.ack().await;
        assert_eq!(*subscriptions.borrow(), 1);
        V1Client::connect().await.delete(&queue.name).await;
        let waiting = tokio::spawn(async move { next(&mut consumer).await });
        let v1 = V1Client::connect().await;
        soon("the queue exists again", async {
            while v1.waiting(&queue.name).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        publish(&topology, ["2"]).await;
        let second = soon("a delivery", waiting).await.unwrap();
        assert_eq!(text(&second), r#""2""#);
        assert_eq!(*subscriptions.borrow(), 2);
        second.ack().await;
    })
    .await;
}
