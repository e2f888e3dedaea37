//! Who declares what: either side may come first, and v1 clients declare the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use lapin::{ExchangeKind, options::ExchangeDeclareOptions, types::FieldTable};
use messaging::{
    Broker, Outgoing, Publisher, Topology,
    contract::{Command, EntityType},
};
use support::{V1Client, config, now, received, soon, with_topology};

fn publisher(topology: &Topology) -> Publisher {
    Publisher::new(Broker::new("test.publisher", config()), topology.clone())
}

async fn declare_exchanges_as_v1(v1: &V1Client, topology: &Topology) -> lapin::Result<()> {
    for exchange in [topology.internal_exchange(), topology.external_exchange()] {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        v1.channel
            .exchange_declare(exchange.into(), ExchangeKind::Topic, durable, FieldTable::default())
            .await?;
    }
    Ok(())
}

async fn declare_everything_as_v1(v1: &V1Client, topology: &Topology) -> lapin::Result<()> {
    declare_exchanges_as_v1(v1, topology).await?;
    v1.declare(&topology.internal_status_queue()).await?;
    v1.declare(&topology.external_status_queue()).await?;
    v1.declare(&topology.command_queue(EntityType::Worker, 6)).await
}

async fn declare_everything_ourselves(topology: &Topology) {
    let mut publisher = publisher(topology);
    publisher.connect().await.unwrap();
    for queue in [topology.external_status_queue(), topology.command_queue(EntityType::Worker, 6)] {
        publisher.declare_queue(&queue).await.unwrap();
    }
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_v1_client_may_declare_the_same_before_or_after_us_and_we_may_do_it_again() {
    for v1_first in [true, false] {
        with_topology(|topology| async move {
            let v1 = V1Client::connect().await;
            if v1_first {
                declare_everything_as_v1(&v1, &topology).await.unwrap();
            }
            declare_everything_ourselves(&topology).await;
            declare_everything_as_v1(&v1, &topology).await.unwrap();
            declare_everything_ourselves(&topology).await;
            v1.delete(&topology.command_queue(EntityType::Worker, 6).name).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sent_before_its_worker_consumes_is_kept_for_it() {
    with_topology(|topology| async move {
        let worker = (EntityType::Worker, 7);
        let queue = topology.command_queue(worker.0, worker.1);
        let mut publisher = publisher(&topology);
        publisher.declare_queue(&queue).await.unwrap();
        let start = Outgoing::command(&topology, worker, &Command::start(1), "e-1", now()).unwrap();
        publisher.publish(&[start]).await.unwrap();

        let v1 = V1Client::connect().await;
        v1.declare(&queue).await.unwrap();
        let command = received(&mut v1.consume(&queue.name).await).await;
        assert_eq!(
            String::from_utf8(command.data).unwrap(),
            r#"{"command_type":"START","command_args":["1"]}"#
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_workers_queue_is_deleted_unless_somebody_consumes_it() {
    with_topology(|topology| async move {
        let queue = topology.command_queue(EntityType::Worker, 8);
        let mut publisher = publisher(&topology);
        publisher.declare_queue(&queue).await.unwrap();
        assert!(publisher.delete_queue_unless_used(&queue).await.unwrap());
        assert!(publisher.delete_queue_unless_used(&queue).await.unwrap(), "again");

        publisher.declare_queue(&queue).await.unwrap();
        let v1 = V1Client::connect().await;
        let consumer = v1.consume(&queue.name).await;
        assert!(!publisher.delete_queue_unless_used(&queue).await.unwrap());
        publisher.publish(&[]).await.unwrap();

        drop(consumer);
        drop(v1);
        let probe = V1Client::connect().await;
        soon("the broker deletes the queue with its last consumer", async {
            while probe.waiting(&queue.name).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_declared_otherwise_is_an_error_that_leaves_the_publisher_usable() {
    with_topology(|topology| async move {
        let mut queue = topology.command_queue(EntityType::Worker, 9);
        let mut publisher = publisher(&topology);
        publisher.declare_queue(&queue).await.unwrap();
        queue.auto_delete = false;
        let error = publisher.declare_queue(&queue).await.unwrap_err();
        assert!(matches!(error, messaging::PublishError::Queue(_)), "{error}");
        let stop = Outgoing::command(
            &topology,
            (EntityType::Worker, 9),
            &Command::shut_down(),
            "e-1",
            now(),
        );
        publisher.publish(&[stop.unwrap()]).await.unwrap();
        publisher.delete_queue_unless_used(&queue).await.unwrap();
    })
    .await;
}
