//! A broker that is killed or hangs, and comes back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use messaging::{Broker, BrokerConfig, Outgoing, PublishError, Published, Publisher, Topology};
use support::{config, consumer, message, next, proxy::Proxy, soon, text, with_topology};

const KEY: &str = "worker.1.status";

async fn proxied() -> (Proxy, BrokerConfig) {
    let mut config = config();
    let proxy = Proxy::to((config.host.clone(), config.port)).await;
    config.host = proxy.address.ip().to_string();
    config.port = proxy.address.port();
    (proxy, config)
}

fn batch(topology: &Topology) -> Vec<Outgoing> {
    ["1", "2", "3"].map(|id| message(topology, KEY, id)).to_vec()
}

/// What the relay does: the same batch again until it is confirmed.
async fn publish_at_last(publisher: &mut Publisher, batch: &[Outgoing]) -> Vec<Published> {
    soon("the batch is confirmed", async {
        loop {
            match publisher.publish(batch).await {
                Ok(published) => break published,
                Err(PublishError::Waiting(wait)) => tokio::time::sleep(wait).await,
                Err(PublishError::Away(_) | PublishError::Unknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_fails_while_the_broker_is_away_and_goes_on_when_it_is_back() {
    with_topology(|topology| async move {
        let (proxy, config) = proxied().await;
        let mut publisher = Publisher::new(Broker::new("test.publisher", config), topology.clone());
        let link = publisher.broker().clone();
        assert!(!link.is_connected());
        publisher.publish(&batch(&topology)).await.unwrap();
        assert!(link.is_connected());

        proxy.cut();
        soon("the idle link notices", link.disconnected()).await;
        let error = soon("an answer", publisher.publish(&batch(&topology))).await.unwrap_err();
        assert!(matches!(error, PublishError::Away(_)), "{error}");
        let error = publisher.publish(&batch(&topology)).await.unwrap_err();
        assert!(matches!(error, PublishError::Waiting(_)), "{error}");

        proxy.restore();
        let published = publish_at_last(&mut publisher, &batch(&topology)).await;
        assert_eq!(published, vec![Published::Routed; 3]);
        assert!(link.is_connected());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_never_confirms_leaves_the_outcome_unknown_and_the_resend_arrives() {
    with_topology(|topology| async move {
        let (proxy, mut config) = proxied().await;
        config.confirm_timeout = Duration::from_millis(300);
        config.connect_timeout = Duration::from_millis(300);
        let mut publisher = Publisher::new(Broker::new("test.publisher", config), topology.clone());
        let link = publisher.broker().clone();
        publisher.connect().await.unwrap();

        proxy.freeze();
        let error = soon("the timeout", publisher.publish(&batch(&topology))).await.unwrap_err();
        assert!(matches!(error, PublishError::Unknown(_)), "{error}");
        assert!(!link.is_connected(), "the connection is not trusted again");
        let error = soon("an answer", async {
            loop {
                match publisher.connect().await.unwrap_err() {
                    PublishError::Waiting(wait) => tokio::time::sleep(wait).await,
                    error => break error,
                }
            }
        })
        .await;
        assert!(matches!(error, PublishError::Away(_)), "{error}");

        proxy.restore();
        let published = publish_at_last(&mut publisher, &batch(&topology)).await;
        assert_eq!(published, vec![Published::Routed; 3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_given_up_halfway_does_not_disturb_the_next_one() {
    with_topology(|topology| async move {
        let (proxy, config) = proxied().await;
        let mut publisher = Publisher::new(Broker::new("test.publisher", config), topology.clone());
        publisher.connect().await.unwrap();
        proxy.freeze();
        let given_up =
            tokio::time::timeout(Duration::from_millis(100), publisher.publish(&batch(&topology)))
                .await;
        assert!(given_up.is_err());
        proxy.restore();
        let unroutable = message(&topology, "worker.1.command", "4");
        let published = publish_at_last(&mut publisher, &[unroutable]).await;
        assert!(matches!(published.as_slice(), [Published::Unroutable { .. }]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_reconnects_and_gets_again_what_it_had_not_acknowledged() {
    with_topology(|topology| async move {
        let (proxy, proxied) = proxied().await;
        let mut publisher =
            Publisher::new(Broker::new("test.publisher", config()), topology.clone());
        publisher.publish(&batch(&topology)).await.unwrap();
        let queue = topology.internal_status_queue();
        let (mut consumer, _stop) = consumer(proxied, &topology, queue, 10);
        let link = consumer.broker().clone();
        next(&mut consumer).await.ack().await;
        let unacknowledged = next(&mut consumer).await;
        assert_eq!(text(&unacknowledged), r#""2""#);

        proxy.cut();
        soon("the link notices", link.disconnected()).await;
        let reading = tokio::spawn(async move {
            let mut arrived = Vec::new();
            while arrived.last().is_none_or(|last| last != r#""4""#) {
                let delivery = next(&mut consumer).await;
                arrived.push(text(&delivery));
                assert!(delivery.ack().await);
            }
            arrived
        });
        proxy.restore();
        soon("the consumer is back", link.connected()).await;
        assert!(!unacknowledged.ack().await, "of an older connection: harmless");
        publisher.publish(&[message(&topology, KEY, "4")]).await.unwrap();
        let arrived = soon("all messages", reading).await.unwrap();
        // The third may have been handed to the client library before the cut, or not.
        assert_eq!(arrived, [r#""2""#, r#""3""#, r#""4""#]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_cannot_be_published_is_delivered_again_after_the_outage() {
    with_topology(|topology| async move {
        let (proxy, proxied) = proxied().await;
        let mut publisher =
            Publisher::new(Broker::new("test.publisher", config()), topology.clone());
        publisher.publish(&[message(&topology, KEY, "1")]).await.unwrap();
        let queue = topology.internal_status_queue();
        let (mut consumer, _stop) = consumer(proxied, &topology, queue, 1);
        let delivery = next(&mut consumer).await;

        proxy.cut();
        assert!(delivery.dead_letter("no", 1).await.is_err());
        proxy.restore();
        let again = next(&mut consumer).await;
        assert_eq!(text(&again), r#""1""#);
        soon("a dead letter", async {
            let mut delivery = again;
            while delivery.dead_letter("no", 1).await.is_err() {
                delivery = next(&mut consumer).await;
            }
        })
        .await;
    })
    .await;
}
