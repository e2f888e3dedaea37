//! Dead letters: kept with their reason and history, tried again by one call, never lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use messaging::{
    Broker, Consumer, DeadLetter, DeadLetterError, DeadLetters, Decision, Handled, Publisher,
    Topology, contract::InternalStatusInfo,
};
use support::{V1Client, config, consumer, message, next, text, with_topology};

const KEY: &str = "worker.1.status";

fn dead_letters(topology: &Topology) -> DeadLetters {
    DeadLetters::new(Broker::new("test.operator", config()), topology.clone())
}

/// Of an operator. Instants on the wire have microseconds.
fn decision() -> Decision {
    let at = chrono::DateTime::from_timestamp_micros(1_767_323_045_989_740).unwrap();
    Decision { actor: "anna".to_owned(), reason: Some("it is repaired".to_owned()), at }
}

async fn publish(topology: &Topology, id: &str) {
    let mut publisher = Publisher::new(Broker::new("test.publisher", config()), topology.clone());
    let batch = [message(topology, KEY, id)];
    publisher.publish(&batch).await.unwrap();
    publisher.close().await;
}

/// Publishes a message, lets a consumer give up on it, and returns the consumer.
async fn given_up_on(topology: &Topology, id: &str, reason: &str, attempts: u32) -> Consumer {
    publish(topology, id).await;
    let queue = topology.internal_status_queue();
    let (mut consumer, _stop) = consumer(config(), topology, queue, 1);
    let delivery = next(&mut consumer).await;
    delivery.dead_letter(reason, attempts).await.unwrap();
    consumer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_nobody_can_read_becomes_a_dead_letter_that_says_why() {
    with_topology(|topology| async move {
        let queue = topology.internal_status_queue();
        let (mut consumer, _stop) = consumer(config(), &topology, queue.clone(), 1);
        publish(&topology, "1").await;
        next(&mut consumer).await.ack().await;
        let v1 = V1Client::connect().await;
        v1.publish(&topology.internal_exchange(), KEY, "not json").await;

        let delivery = next(&mut consumer).await;
        let first_seen = delivery.first_seen;
        let rejection = InternalStatusInfo::parse(&delivery.body).unwrap_err();
        delivery.dead_letter(rejection.to_string(), 1).await.unwrap();

        for look in ["first", "second"] {
            let letters = dead_letters(&topology).list(10).await.unwrap();
            let [letter] = letters.as_slice() else {
                panic!("{look} look: {letters:?}");
            };
            assert!(letter.reason.starts_with("not JSON: "), "{}", letter.reason);
            assert_eq!(letter.queue, queue.name);
            assert_eq!(letter.exchange, topology.internal_exchange());
            assert_eq!(letter.routing_key, KEY);
            assert_eq!(letter.attempts, 1);
            assert_eq!(letter.body, b"not json");
            assert!(!letter.message_id.is_empty(), "an operator can name it");
            assert_eq!(
                letter.first_seen.unwrap().timestamp_micros(),
                first_seen.timestamp_micros()
            );
        }
        assert_eq!(v1.waiting(&queue.name).await.unwrap(), 0, "and it left its queue");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_message_comes_back_as_it_first_was_and_its_attempts_add_up() {
    with_topology(|topology| async move {
        let mut consumer = given_up_on(&topology, "1", "database said no", 3).await;
        let redriven = dead_letters(&topology).redrive(&decision(), |_| true).await.unwrap();
        assert_eq!(redriven, Handled { moved: 1, kept: 0 });

        let again = next(&mut consumer).await;
        assert_eq!(text(&again), r#""1""#);
        assert_eq!(again.message_id.as_deref(), Some("1"), "so that it is recognised");
        assert_eq!(again.kind.as_deref(), Some("test"));
        assert_eq!(again.exchange, topology.internal_exchange());
        assert_eq!(again.routing_key, KEY);
        assert_eq!(again.headers.get("x-test").map(String::as_str), Some("1"));
        assert_eq!(again.earlier_attempts, 3);
        assert_eq!(Decision::to_retry(&again.headers), Some(decision()));
        again.dead_letter("still no", 2).await.unwrap();

        let letters = dead_letters(&topology).list(10).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].reason.as_str(), letters[0].attempts), ("still no", 5));
        assert_eq!(letters[0].retried, Some(decision()), "tried again by whom, and in vain");
        assert_eq!(letters[0].skipped, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_moves_what_was_chosen_and_keeps_the_rest() {
    with_topology(|topology| async move {
        for id in ["1", "2", "3"] {
            drop(given_up_on(&topology, id, "no", 1).await);
        }
        let operator = dead_letters(&topology);
        let redriven =
            operator.redrive(&decision(), |letter| letter.message_id == "2").await.unwrap();
        assert_eq!(redriven, Handled { moved: 1, kept: 2 });
        let kept: Vec<_> = operator.list(10).await.unwrap();
        let kept: Vec<_> = kept.iter().map(|letter| letter.message_id.as_str()).collect();
        assert_eq!(kept, ["1", "3"]);
        assert_eq!(operator.list(1).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_dead_letter_is_kept_with_who_decided_so_and_why() {
    with_topology(|topology| async move {
        for id in ["1", "2"] {
            drop(given_up_on(&topology, id, "no", 1).await);
        }
        let operator = dead_letters(&topology);
        assert_eq!(operator.list_skipped(10).await.unwrap(), []);
        let before = operator.list(10).await.unwrap();
        let handled = operator.skip(&decision(), |letter| letter.message_id == "1").await.unwrap();
        assert_eq!(handled, Handled { moved: 1, kept: 1 });

        assert_eq!(operator.list(10).await.unwrap(), before[1..]);
        let skipped = DeadLetter { skipped: Some(decision()), ..before[0].clone() };
        assert_eq!(operator.list_skipped(10).await.unwrap(), [skipped]);
        let redriven = operator.redrive(&decision(), |_| true).await.unwrap();
        assert_eq!(redriven, Handled { moved: 1, kept: 0 }, "what was skipped is not tried again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_whose_queue_is_gone_stays() {
    with_topology(|topology| async move {
        publish(&topology, "1").await;
        let queue = messaging::QueueSpec {
            name: format!("{}-short-lived", topology.internal_status_queue().name),
            auto_delete: true,
            bindings: vec![(topology.internal_exchange(), KEY.to_owned())],
        };
        let (mut consumer, stop) = consumer(config(), &topology, queue.clone(), 1);
        let reading = tokio::spawn(async move {
            next(&mut consumer).await.dead_letter("no", 1).await.unwrap();
            consumer
        });
        let v1 = V1Client::connect().await;
        support::soon("the queue exists", async {
            while v1.waiting(&queue.name).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        publish(&topology, "2").await;
        let mut consumer = support::soon("a dead letter", reading).await.unwrap();
        stop.cancel();
        assert!(consumer.next().await.is_none());
        drop(consumer);
        support::soon("the queue is gone", async {
            while v1.waiting(&queue.name).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;

        let operator = dead_letters(&topology);
        let redriven = operator.redrive(&decision(), |_| true).await.unwrap();
        assert_eq!(redriven, Handled { moved: 0, kept: 1 });
        assert_eq!(operator.list(10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_the_dead_letters_cannot_take_goes_back_to_its_queue() {
    with_topology(|topology| async move {
        // The first dead letter connects the link; then its queue is taken away.
        let mut consumer = given_up_on(&topology, "1", "no", 1).await;
        publish(&topology, "2").await;
        let delivery = next(&mut consumer).await;
        let v1 = V1Client::connect().await;
        v1.delete(&topology.dead_letter_queue().name).await;

        let error = delivery.dead_letter("no", 1).await.unwrap_err();
        assert!(matches!(error, DeadLetterError::Unroutable(_)), "{error}");
        let again = next(&mut consumer).await;
        assert_eq!((text(&again).as_str(), again.redelivered), (r#""2""#, true));
        assert!(again.ack().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_ends_though_everything_it_moves_fails_again_at_once() {
    with_topology(|topology| async move {
        for id in ["1", "2", "3"] {
            drop(given_up_on(&topology, id, "no", 1).await);
        }
        let (mut consumer, stop) =
            consumer(config(), &topology, topology.internal_status_queue(), 1);
        let failing = tokio::spawn(async move {
            let mut failed = 0;
            while let Some(delivery) = consumer.next().await {
                delivery.dead_letter("no", 1).await.unwrap();
                failed += 1;
                if failed == 3 {
                    stop.cancel();
                }
            }
        });
        let operator = dead_letters(&topology);
        let decision = decision();
        let redrive = operator.redrive(&decision, |_| true);
        let redriven = support::soon("the redrive ends", redrive).await.unwrap();
        assert_eq!(redriven, Handled { moved: 3, kept: 0 });
        support::soon("all fail again", failing).await.unwrap();
        assert_eq!(operator.list(10).await.unwrap().len(), 3);
    })
    .await;
}
