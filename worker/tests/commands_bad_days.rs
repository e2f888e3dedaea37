//! Commands over restarts, outages, a full disk, and messages nobody can understand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../messaging/tests/support/mod.rs"]
mod broker;
#[path = "support/commands.rs"]
mod support;

use std::fs;

use broker::proxy::Proxy;
use broker::{now, soon};
use chrono::TimeDelta;
use messaging::contract::Command as Body;
use messaging::{Broker, DeadLetter, DeadLetters, names};
use support::{Host, again, listed, message, raw, with_host};
use uuid::Uuid;
use worker::commands::Asked;

const STOP: Asked = Asked::Stop { config_id: 1 };

const fn start(config_id: i32) -> Asked {
    Asked::Start { config_id }
}

async fn dead_letters(host: &Host) -> Vec<DeadLetter> {
    let broker = Broker::new("test.dead-letters", broker::config());
    DeadLetters::new(broker, host.topology.clone()).list(100).await.unwrap()
}

/// Returns when this many messages were given up on.
async fn given_up(host: &Host, count: usize) -> Vec<DeadLetter> {
    soon("dead letters", async {
        loop {
            let letters = dead_letters(host).await;
            if letters.len() >= count {
                break letters;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_comes_back_goes_on_with_what_was_in_work_and_repeats_no_line() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let sent = [
            Body::start(1),
            Body::stdin(1, ["say".to_owned(), "hi".to_owned()]),
            Body::stop(1),
            Body::start(2),
        ]
        .map(|body| message(&body));
        host.send(sent.iter().map(|(_, message)| message)).await;
        let mut in_work = Vec::new();
        for _ in 0..4 {
            in_work.push(agent.next().await);
        }
        in_work.pop().unwrap().fulfilled(None);
        assert_eq!(host.log.outcome(sent[3].0).await.0, "fulfilled");
        drop((in_work, agent));

        let mut agent = host.agent().await;
        // The log knows of no outcome, and the broker sends everything once more.
        host.log.add(listed(sent[0].0, "start", Some(1), &[]));
        host.send(sent.iter().map(|(_, message)| message)).await;
        let resumed = [agent.next().await, agent.next().await];
        for (command, (asked, id)) in
            resumed.into_iter().zip([(start(1), sent[0].0), (STOP, sent[2].0)])
        {
            assert_eq!((&command.asked, command.command_id), (&asked, Some(id)));
            assert!(command.resumed);
            command.fulfilled(None);
            assert_eq!(host.log.outcome(id).await.0, "fulfilled");
        }
        let (outcome, reason) = host.log.outcome(sent[1].0).await;
        assert_eq!(outcome, "failed");
        assert_eq!(reason.as_deref(), Some("the agent restarted while it was being written"));
        let (_, last) = message(&Body::start(3));
        host.send([&last]).await;
        let last = agent.next().await;
        assert_eq!((&last.asked, last.resumed), (&start(3), false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_whose_report_was_lost_with_its_spool_is_told_again() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let (id, first) = message(&Body::start(1));
        host.send([&first]).await;
        agent.next().await.failed("no disk");
        host.log.outcome(id).await;
        drop(agent);
        host.log.add(listed(id, "start", Some(1), &[]));
        let mut agent = host.agent().await;
        let (_, last) = message(&Body::shut_down());
        host.send([&last]).await;
        assert_eq!(agent.next().await.asked, Asked::ShutDown, "and not carried out again");
        soon("the outcome is told again", async {
            while host.log.outcomes_of(id) < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(host.log.outcome(id).await.1.as_deref(), Some("no disk"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_on_its_way_is_not_told_again_however_often_the_agent_restarts() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        host.log.hold_outcomes(true);
        let (id, first) = message(&Body::start(1));
        host.send([&first]).await;
        agent.next().await.fulfilled(None);
        drop(agent);
        host.log.add(listed(id, "start", Some(1), &[]));
        for _ in 0..3 {
            let mut agent = host.agent().await;
            // Of no request, so that it adds no report; and it waits for the list.
            host.send([&raw(None, r#"{"command_type":"STOP","command_args":["1"]}"#)]).await;
            let stop = agent.next().await;
            assert_eq!(stop.asked, STOP);
            stop.fulfilled(None);
            assert_eq!(host.spooled(), 1);
        }
        host.log.hold_outcomes(false);
        let _agent = host.agent().await;
        assert_eq!(host.log.outcome(id).await.0, "fulfilled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_is_refused_and_put_aside_and_harms_nobody() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let bodies = [
            r#"{"command_type":"START","command_args":["one"]}"#,
            r#"{"command_type":"START","command_args":[1]}"#,
            r#"{"command_type":"STOP","command_args":["1","2"]}"#,
            r#"{"command_type":"STDIN","command_args":["1"]}"#,
            r#"{"command_type":"DANCE","command_args":["1"]}"#,
            "{",
            "",
        ];
        let ids = bodies.map(|_| Uuid::now_v7());
        let mut messages: Vec<_> =
            ids.iter().zip(bodies).map(|(id, body)| raw(Some(*id), body)).collect();
        messages.push(raw(None, "broken"));
        let (_, good) = message(&Body::start(1));
        messages
            .push(again(Uuid::now_v7(), &Body::start(2)).with_header(names::DEADLINE_HEADER, "?"));
        messages.push(good);
        host.send(&messages).await;
        assert_eq!(agent.next().await.asked, start(1));

        let letters = given_up(&host, 9).await;
        assert_eq!(letters.len(), 9);
        for id in ids {
            let (outcome, reason) = host.log.outcome(id).await;
            assert_eq!(outcome, "refused");
            assert!(letters.iter().any(|letter| Some(&letter.reason) == reason.as_ref()));
        }
        let broken = letters.iter().find(|letter| letter.body == b"broken").unwrap();
        assert_eq!(broken.queue, host.queue().name);
        assert!(broken.reason.contains("no command"), "{}", broken.reason);

        // Once more: known, and not put aside again.
        let (_, last) = message(&Body::start(3));
        host.send([&messages[0], &last]).await;
        assert_eq!(agent.next().await.asked, start(3));
        assert_eq!(dead_letters(&host).await.len(), 9);
        assert_eq!(host.log.outcomes_of(ids[0]), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_command_of_a_kind_from_the_future_is_refused() {
    with_host(|host| async move {
        let (unknown, known) = (Uuid::now_v7(), Uuid::now_v7());
        host.log.add(listed(unknown, "dance", Some(1), &[]));
        host.log.add(listed(known, "start", Some(1), &[]));
        let mut agent = host.agent().await;
        assert_eq!(agent.next().await.command_id, Some(known));
        let (outcome, reason) = host.log.outcome(unknown).await;
        assert_eq!(outcome, "refused");
        assert!(reason.unwrap().contains("does not know"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_or_a_line_after_its_deadline_is_refused_and_a_stop_is_carried_out() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        let past = (now() - TimeDelta::minutes(10)).to_rfc3339();
        let future = (now() + TimeDelta::minutes(10)).to_rfc3339();
        let bodies =
            [Body::start(1), Body::stdin(1, ["hi".to_owned()]), Body::stop(1), Body::shut_down()];
        let late = bodies.map(|body| {
            let (id, message) = message(&body);
            (id, message.with_header(names::DEADLINE_HEADER, &past))
        });
        let in_time = message(&Body::start(2)).1.with_header(names::DEADLINE_HEADER, &future);
        host.send(late.iter().map(|(_, message)| message).chain([&in_time])).await;
        for asked in [STOP, Asked::ShutDown, start(2)] {
            let command = agent.next().await;
            assert_eq!(command.asked, asked);
            assert!(command.deadline.is_some());
            command.fulfilled(None);
        }
        for (id, _) in &late[..2] {
            let (outcome, reason) = host.log.outcome(*id).await;
            assert_eq!(outcome, "refused");
            assert!(reason.unwrap().starts_with("it arrived after its deadline, "));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_disk_that_takes_nothing_it_goes_on_in_memory() {
    with_host(|host| async move {
        let mut agent = host.agent().await;
        fs::remove_dir(host.journal()).unwrap();
        fs::write(host.journal(), "in the way").unwrap();
        let (id, first) = message(&Body::start(1));
        host.send([&first]).await;
        let command = agent.next().await;
        host.send([&first]).await;
        command.fulfilled(None);
        assert_eq!(host.log.outcome(id).await.0, "fulfilled");
        let (_, second) = message(&Body::start(2));
        host.send([&first, &second]).await;
        assert_eq!(agent.next().await.asked, start(2), "what was done is still known");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_while_the_broker_was_away_comes_in_order_and_what_was_in_work_once() {
    with_host(|host| async move {
        let mut config = broker::config();
        let proxy = Proxy::to((config.host.clone(), config.port)).await;
        config.host = proxy.address.ip().to_string();
        config.port = proxy.address.port();
        let mut agent = host.agent_at(config);
        let (in_work, first) = message(&Body::start(1));
        host.send([&first]).await;
        let command = agent.next().await;

        let link = agent.link.clone();
        proxy.cut();
        let reading = tokio::spawn(async move {
            let commands = [agent.next().await, agent.next().await, agent.next().await];
            (agent, commands)
        });
        soon("the link notices", link.disconnected()).await;
        // With the connection the queue went, and with it what was sent before it is there again. The log has it.
        let lost = [Uuid::now_v7(), Uuid::now_v7()];
        host.log.add(listed(in_work, "start", Some(1), &[]));
        host.log.add(listed(lost[0], "start", Some(2), &[]));
        host.log.add(listed(lost[1], "stop", Some(2), &[]));
        let (newest, message) = message(&Body::start(3));
        proxy.restore();
        soon("the link is back", link.connected()).await;
        host.send([&first, &message]).await;
        let (mut agent, commands) = soon("the commands", reading).await.unwrap();
        let order = commands.each_ref().map(|command| command.command_id);
        assert_eq!(order, [Some(lost[0]), Some(lost[1]), Some(newest)]);

        command.fulfilled(None);
        assert_eq!(host.log.outcome(in_work).await.0, "fulfilled");
        let (_, last) = support::message(&Body::shut_down());
        host.send([&first, &last]).await;
        assert_eq!(agent.next().await.asked, Asked::ShutDown);
    })
    .await;
}
