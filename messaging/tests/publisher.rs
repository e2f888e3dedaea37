//! Publishing: order, confirms, and what became of each message.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use messaging::{
    Broker, Outgoing, PublishError, Published, Publisher, Topology,
    contract::{EntityType, ExternalStatusInfo, StatusType, time::parse_instant},
};
use support::{V1Client, config, message, received, with_topology};

const KEY: &str = "worker.1.status";

fn publisher(topology: &Topology) -> Publisher {
    Publisher::new(Broker::new("test.publisher", config()), topology.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_arrives_in_order_and_every_message_is_confirmed() {
    with_topology(|topology| async move {
        // More than are in flight at once.
        let batch: Vec<_> = (0..2_500).map(|n| message(&topology, KEY, &n.to_string())).collect();
        let published = publisher(&topology).publish(&batch).await.unwrap();
        assert_eq!(published, vec![Published::Routed; batch.len()]);

        let v1 = V1Client::connect().await;
        let mut arrived = v1.consume(&topology.internal_status_queue().name).await;
        for sent in batch {
            assert_eq!(received(&mut arrived).await.data, sent.body);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_message_is_told_apart_from_its_neighbours() {
    with_topology(|topology| async move {
        // The same event may cause several messages, so ids repeat within a batch.
        let batch: Vec<_> = (0..300)
            .map(|n| {
                let key = if n % 3 == 1 { "worker.1.command" } else { KEY };
                message(&topology, key, &(n / 2).to_string())
            })
            .collect();
        let published = publisher(&topology).publish(&batch).await.unwrap();
        assert_eq!(published.len(), batch.len());
        for (n, outcome) in published.iter().enumerate() {
            if n % 3 == 1 {
                let reply = "312 NO_ROUTE".to_owned();
                assert_eq!(*outcome, Published::Unroutable { reply }, "{n}");
            } else {
                assert_eq!(*outcome, Published::Routed, "{n}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_message_without_a_receiver_counts_as_sent() {
    with_topology(|topology| async move {
        let event = Outgoing::domain_event(
            &topology,
            ("worker", "6", "WorkerRegistered"),
            b"{}".to_vec(),
            "e-1",
            support::now(),
        );
        let published = publisher(&topology).publish(&[event]).await.unwrap();
        assert_eq!(published, [Published::Routed]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_v1_subscriber_receives_an_external_status_with_all_properties() {
    with_topology(|topology| async move {
        let mut publisher = publisher(&topology);
        publisher.connect().await.unwrap();
        let v1 = V1Client::connect().await;
        let queue = topology.external_status_queue();
        v1.declare(&queue).await.unwrap();

        let as_of = parse_instant("2026-01-02T03:04:05.088523Z").unwrap();
        let worker = (EntityType::Worker, 6);
        let status =
            ExternalStatusInfo::reported(worker.0, worker.1, StatusType::Running, as_of, 41);
        let outgoing =
            Outgoing::external_status(&topology, worker, &status, "event-41", as_of).unwrap();
        publisher.publish(&[outgoing]).await.unwrap();

        let received = received(&mut v1.consume(&queue.name).await).await;
        assert_eq!(received.routing_key.as_str(), "worker.6.status");
        assert_eq!(
            String::from_utf8(received.data.clone()).unwrap(),
            r#"{"class_name":"worker","status_type":"RUNNING","as_of":"2026-01-02T03:04:05.088523+00:00","status_info_id":41,"worker_id":6,"game_server_instance_id":null}"#
        );
        let properties = &received.properties;
        let text = |value: &Option<lapin::types::ShortString>| value.clone().unwrap().to_string();
        assert_eq!(text(properties.content_type()), "application/json");
        assert_eq!(text(properties.content_encoding()), "utf-8");
        assert_eq!(text(properties.message_id()), "event-41");
        assert_eq!(text(properties.kind()), "external-status");
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.timestamp(), Some(1_767_323_045));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_too_long_for_amqp_is_refused_before_anything_is_sent() {
    with_topology(|topology| async move {
        let mut publisher = publisher(&topology);
        let batch =
            [message(&topology, KEY, "fits"), message(&topology, &"k".repeat(256), "too-long")];
        let error = publisher.publish(&batch).await.unwrap_err();
        assert!(
            matches!(&error, PublishError::Invalid { message_id, .. } if message_id == "too-long"),
            "{error}"
        );
        publisher.connect().await.unwrap();
        let waiting =
            V1Client::connect().await.waiting(&topology.internal_status_queue().name).await;
        assert_eq!(waiting.unwrap(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_exchange_fails_the_batch_and_the_next_one_declares_it_again() {
    with_topology(|topology| async move {
        let mut publisher = publisher(&topology);
        publisher.connect().await.unwrap();
        let v1 = V1Client::connect().await;
        v1.channel
            .exchange_delete(topology.internal_exchange().into(), Default::default())
            .await
            .unwrap();
        let batch = [message(&topology, KEY, "1"), message(&topology, KEY, "2")];
        let error = publisher.publish(&batch).await.unwrap_err();
        assert!(matches!(error, PublishError::Unknown(_)), "{error}");
        let published = support::soon("the batch goes through", async {
            loop {
                match publisher.publish(&batch).await {
                    Ok(published) => break published,
                    Err(PublishError::Waiting(wait)) => tokio::time::sleep(wait).await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await;
        assert_eq!(published, vec![Published::Routed; 2]);
    })
    .await;
}
