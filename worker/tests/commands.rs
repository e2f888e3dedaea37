//! What is asked comes once, from whichever of its two places, and is acknowledged after the work.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../messaging/tests/support/mod.rs"]
mod broker;
#[path = "support/commands.rs"]
mod support;

use std::time::Duration;

use broker::soon;
use futures::FutureExt;
use messaging::contract::Command as Body;
use support::{again, listed, message, raw, with_host};
use uuid::Uuid;
use worker::commands::Asked;

/// So that the list is fetched though nothing calls for it.
const SOON: Duration = Duration::from_millis(50);

const fn start(config_id: i32) -> Asked {
    Asked::Start { config_id }
}

fn line(config_id: i32, line: &str) -> Asked {
    Asked::Stdin { config_id, instance_id: None, line: line.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_three_times_is_handed_out_once() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let (id, first) = message(&Body::start(1));
        // Resent by the relay under the same message id, and under another one.
        host.send([&first, &first, &again(id, &Body::start(1))]).await;
        let command = agent.next().await;
        assert_eq!((&command.asked, command.command_id), (&start(1), Some(id)));
        assert!(!command.resumed);
        let (_, second) = message(&Body::start(2));
        host.send([&second]).await;
        let next = agent.next().await;
        assert_eq!(next.asked, start(2), "the repetitions came before it");

        command.fulfilled(None);
        assert_eq!(host.log.outcome(id).await, ("fulfilled".to_owned(), None));
        let (_, third) = message(&Body::start(3));
        host.send([&first, &third]).await;
        let last = agent.next().await;
        assert_eq!(last.asked, start(3), "what is done is not done again");
        next.refused("there is no config 2");
        last.failed("no disk");
        assert_eq!(host.log.outcomes_of(id), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_request_is_known_by_its_own_id_and_one_without_any_id_never() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let mut named = raw(None, r#"{"command_type":"STDIN","command_args":["1","say","hi"]}"#);
        named.message_id = "anything".to_owned();
        host.send([&named, &named]).await;
        let command = agent.next().await;
        assert_eq!((&command.asked, command.command_id), (&line(1, "say hi"), None));
        command.fulfilled(None);
        host.send([&named]).await;

        let v1 = broker::V1Client::connect().await;
        let body = r#"{"command_type": "STOP", "command_args": ["1"]}"#;
        for _ in 0..2 {
            v1.publish(&host.topology.internal_exchange(), "worker.6.command", body).await;
        }
        for _ in 0..2 {
            let command = agent.next().await;
            assert_eq!(command.asked, Asked::Stop { config_id: 1 });
            command.fulfilled(None);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_that_is_gone_had_is_found_in_the_log_in_its_order() {
    with_host(|host| async move {
        let ids: Vec<_> = (0..4).map(|_| Uuid::now_v7()).collect();
        host.log.add(listed(ids[0], "start", Some(1), &[]));
        host.log.add(listed(ids[1], "stdin", Some(1), &["say", "hi"]));
        host.log.add(listed(ids[2], "stop", Some(1), &[]));
        host.log.add(listed(ids[3], "shutdown", None, &[]));
        let mut agent = host.agent().await;
        for (id, asked) in ids.iter().zip([
            start(1),
            line(1, "say hi"),
            Asked::Stop { config_id: 1 },
            Asked::ShutDown,
        ]) {
            let command = agent.next().await;
            assert_eq!((&command.asked, command.command_id), (&asked, Some(*id)));
            command.fulfilled(None);
        }
        for id in ids {
            assert_eq!(host.log.outcome(id).await.0, "fulfilled");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_the_list_which_has_something_older() {
    with_host(|host| async move {
        let (first, older) = message(&Body::start(1));
        let (second, newer) = message(&Body::start(2));
        let (third, newest) = message(&Body::start(3));
        host.log.add(listed(first, "start", Some(1), &[]));
        host.log.add(listed(second, "start", Some(2), &[]));
        host.log.hold(true);
        let mut agent = host.agent().await;
        let reading = tokio::spawn(async move {
            let commands = [agent.next().await, agent.next().await, agent.next().await];
            (agent, commands)
        });
        // For the start, and for the subscription.
        host.log.asked(1).await;
        host.send([&newer, &newest]).await;
        host.waiting(0).await;
        host.log.hold(false);
        let (mut agent, commands) = soon("three commands", reading).await.unwrap();
        let order = commands.each_ref().map(|command| command.command_id);
        assert_eq!(order, [Some(first), Some(second), Some(third)]);

        // And what both have is one.
        let (_, last) = message(&Body::shut_down());
        host.send([&older, &last]).await;
        assert_eq!(agent.next().await.asked, Asked::ShutDown);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_does_not_wait_for_ever_for_a_list_that_does_not_come() {
    with_host(|host| async move {
        host.log.hold(true);
        let mut agent = host.agent().await;
        let (_, message) = message(&Body::start(1));
        host.send([&message]).await;
        assert_eq!(agent.next().await.asked, start(1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_asked_again_and_again() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        agent.commands = agent.commands.listing_every(SOON);
        let asking = tokio::spawn(async move { agent.next().await.asked });
        host.log.asked(5).await;
        host.log.add(listed(Uuid::now_v7(), "start", Some(1), &[]));
        assert_eq!(soon("the command", asking).await.unwrap(), start(1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_more_starts_in_work_than_the_broker_hands_over_a_stop_gets_through() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let starts: Vec<_> = (1..=1_000).map(|id| message(&Body::start(id)).1).collect();
        let (stopping, stop) = message(&Body::stop(300));
        host.send(starts.iter().chain([&stop])).await;
        let mut in_work = Vec::new();
        for id in 1..=256 {
            let command = agent.next().await;
            assert_eq!(command.asked, start(id));
            in_work.push(command);
        }
        // Nothing is acknowledged, so that the broker keeps the stop to itself.
        assert!(agent.commands.next().now_or_never().is_none());
        host.waiting(1).await;
        agent.commands = agent.commands.listing_every(SOON);
        host.log.add(listed(stopping, "stop", Some(300), &[]));
        let (ahead, stop) = (agent.next().await, agent.next().await);
        assert_eq!(ahead.asked, start(300), "a stop does not overtake its start");
        assert_eq!(stop.asked, Asked::Stop { config_id: 300 });
        assert!(agent.commands.next().now_or_never().is_none());
        stop.fulfilled(None);
        ahead.refused("stopped before it ran");
        in_work.pop().unwrap().fulfilled(None);
        assert_eq!(agent.next().await.asked, start(257));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_acknowledged_when_the_work_is_done_and_not_before() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let starts: Vec<_> = (1..=1_001).map(|id| message(&Body::start(id)).1).collect();
        host.send(&starts).await;
        let first = agent.next().await;
        let second = agent.next().await;
        // The broker hands over a thousand without acknowledgement.
        host.waiting(1).await;
        first.fulfilled(None);
        host.waiting(0).await;
        second.fulfilled(None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_given_up_without_an_outcome_comes_again_and_a_line_does_not() {
    with_host(|host| async move {
        let (starting, writing) = (Uuid::now_v7(), Uuid::now_v7());
        host.log.add(listed(starting, "start", Some(1), &[]));
        host.log.add(listed(writing, "stdin", Some(1), &["say", "hi"]));
        let mut agent = host.agent().await;
        agent.commands = agent.commands.listing_every(SOON);
        drop(agent.next().await);
        let (again, line_again) = (agent.next().await, agent.next().await);
        let (again, line) = if again.command_id == Some(starting) {
            (again, line_again)
        } else {
            (line_again, again)
        };
        drop(line);
        assert_eq!((again.command_id, again.resumed), (Some(starting), true));
        let waiting = tokio::spawn(async move { agent.next().await.command_id });
        let (outcome, reason) = host.log.outcome(writing).await;
        assert_eq!(outcome, "failed");
        assert!(reason.unwrap().contains("gave up"));
        again.fulfilled(None);
        assert_eq!(host.log.outcome(starting).await.0, "fulfilled");
        waiting.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_shutdown_nothing_comes_and_what_is_in_work_can_be_ended() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let (id, first) = message(&Body::start(1));
        host.send([&first]).await;
        let command = agent.next().await;
        agent.stop.cancel();
        assert!(soon("the end", agent.commands.next()).await.is_none());
        assert!(agent.commands.next().now_or_never().unwrap().is_none(), "and stays at its end");
        command.fulfilled(None);
        assert_eq!(host.log.outcome(id).await.0, "fulfilled");
    })
    .await;
}
