//! The API or the broker is away.

use messaging::contract::StatusType;
use messaging::{BrokerConfig, Publisher};
use uuid::Uuid;
use worker::reports::{Lane, Report};

use crate::broker::proxy::Proxy;
use crate::broker::{self, V1Client, soon};
use crate::stub_api::{Asked, Mishap};
use crate::support::{
    Heard, Listener, closed, created, fulfilled, nowhere, remark, run, status, with_host,
    without_broker,
};

const LANE: Lane = Lane::Config(3);
const OTHER: Lane = Lane::Config(4);

async fn proxied_broker() -> (Proxy, BrokerConfig) {
    let mut config = broker::config();
    let proxy = Proxy::to((config.host.clone(), config.port)).await;
    config.host = proxy.address.ip().to_string();
    config.port = proxy.address.port();
    (proxy, config)
}

fn is_create(asked: &Asked) -> bool {
    asked.what.ends_with("/create")
}

fn is_close(asked: &Asked) -> bool {
    asked.what.ends_with("/instance/shutdown")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_the_api_is_delivered_when_it_is_back() {
    with_host(|host| async move {
        let proxy = Proxy::to(("127.0.0.1".to_owned(), host.api.address.port())).await;
        proxy.cut();
        let agent = host.agent_at(&format!("http://{}", proxy.address), broker::config());
        let listener = Listener::start(&host.topology);
        let runs = [run(), run()];
        for (lane, run_id) in [LANE, OTHER].into_iter().zip(runs) {
            agent.push(lane, created(run_id));
            agent.push(lane, status(run_id, StatusType::Running));
            agent.push(lane, closed(run_id));
        }
        // The broker is there: what needs no API is told.
        agent.push(Lane::Worker, Report::WorkerStatus { status: StatusType::Running });
        listener.hears(|heard| heard.len() == 1).await;
        host.has_spooled(6).await;
        assert!(host.api.asked().is_empty());

        proxy.restore();
        agent.drained().await;
        let done = host.api.done();
        assert_eq!((done.len(), done.iter().filter(|done| is_create(done)).count()), (4, 2));
        assert_eq!(listener.hears(|heard| heard.len() >= 3).await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_the_broker_holds_up_its_own_lane_and_no_other() {
    with_host(|host| async move {
        let (proxy, config) = proxied_broker().await;
        proxy.cut();
        let agent = host.agent_at(&host.api.url(), config);
        let (waits, goes) = (run(), run());
        agent.push(LANE, created(waits));
        agent.push(LANE, remark(waits, 0, "1"));
        agent.push(LANE, closed(waits));
        agent.push(LANE, remark(waits, 1, "2"));
        agent.push(OTHER, created(goes));
        agent.push(OTHER, closed(goes)).delivered().await.unwrap();
        agent.push(OTHER, fulfilled(Uuid::now_v7(), Some(goes))).delivered().await.unwrap();
        host.api.has_done(|done| done.iter().filter(|done| is_create(done)).count() == 2).await;
        assert_eq!(host.api.done().iter().filter(|done| is_close(done)).count(), 1);
        host.has_spooled(3).await;

        proxy.restore();
        let listener = Listener::start(&host.topology);
        agent.drained().await;
        let heard = listener.hears(|heard| heard.len() >= 2).await;
        assert_eq!([heard[0].reason(), heard[1].reason()], ["1", "2"]);
        assert_eq!(host.api.done().iter().filter(|done| is_close(done)).count(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_do_not_wait_for_the_broker_with_the_statuses_before_them() {
    with_host(|host| async move {
        let (proxy, config) = proxied_broker().await;
        proxy.cut();
        let agent = host.agent_at(&host.api.url(), config);
        let run_id = run();
        agent.push(LANE, created(run_id));
        agent.push(LANE, remark(run_id, 0, "1"));
        let first = agent.push(LANE, fulfilled(Uuid::now_v7(), Some(run_id)));
        agent.push(LANE, remark(run_id, 1, "2"));
        agent.push(LANE, closed(run_id));
        let second = agent.push(LANE, fulfilled(Uuid::now_v7(), Some(run_id)));
        let other = run();
        agent.push(LANE, created(other));
        agent.push(LANE, fulfilled(Uuid::now_v7(), Some(other)));
        for outcome in [first, second] {
            let receipt = soon("an outcome", outcome.delivered()).await.unwrap();
            assert_eq!(receipt.instance_id, Some(1));
        }
        // Of a run that is no instance yet nothing can be told.
        host.has_spooled(5).await;

        proxy.restore();
        let listener = Listener::start(&host.topology);
        agent.drained().await;
        let heard = listener.hears(|heard| heard.len() >= 2).await;
        assert_eq!([heard[0].reason(), heard[1].reason()], ["1", "2"]);
        assert_eq!(host.api.done().len(), 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_falls_silent_in_a_batch_gets_the_same_messages_again() {
    with_host(|host| async move {
        let (proxy, mut config) = proxied_broker().await;
        config.connect_timeout = std::time::Duration::from_millis(300);
        config.confirm_timeout = std::time::Duration::from_millis(300);
        let agent = host.agent_at(&host.api.url(), config);
        let run_id = run();
        agent.push(LANE, created(run_id));
        agent.push(LANE, remark(run_id, 0, "0"));
        agent.drained().await;

        proxy.freeze();
        let tickets: Vec<_> =
            (1..=4).map(|n| agent.push(LANE, remark(run_id, n, n.to_string()))).collect();
        let listener = Listener::start(&host.topology);
        listener.hears(|heard| heard.len() == 1).await;
        proxy.restore();
        for ticket in tickets {
            soon("delivery", ticket.delivered()).await.unwrap();
        }
        let heard = listener.hears(|heard| heard.last().is_some_and(|last| last.reason() == "4"));
        let mut heard = heard.await;
        // What the frozen connection had in it may arrive twice, under the same ids.
        let mut ids = std::collections::BTreeMap::new();
        for heard in &heard {
            let id = ids.entry(heard.reason().to_owned()).or_insert(heard.message_id.clone());
            assert_eq!(*id, heard.message_id);
        }
        heard.dedup_by_key(|heard| heard.message_id.clone());
        assert_eq!(ids.len(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_queue_that_somebody_deleted_is_declared_again() {
    with_host(|host| async move {
        let agent = host.agent();
        let run_id = run();
        agent.push(LANE, created(run_id));
        agent.push(LANE, remark(run_id, 0, "lost with the queue")).delivered().await.unwrap();
        V1Client::connect().await.delete(&host.topology.internal_status_queue().name).await;
        for n in 1..=3 {
            agent.push(LANE, remark(run_id, n, n.to_string()));
        }
        agent.drained().await;
        let listener = Listener::start(&host.topology);
        let heard = listener.hears(|heard| heard.len() >= 3).await;
        let reasons: Vec<_> = heard.iter().map(Heard::reason).collect();
        assert_eq!(reasons, ["1", "2", "3"]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_under_the_same_key() {
    without_broker(|host| async move {
        let lost = std::sync::atomic::AtomicBool::new(false);
        host.api.is(move |_| {
            let first = !lost.swap(true, std::sync::atomic::Ordering::Relaxed);
            first.then_some(Mishap::Lost)
        });
        let agent = host.agent_without_broker();
        let ticket = agent.push(LANE, created(run()));
        let receipt = soon("delivery", ticket.delivered()).await.unwrap();
        let asked = host.api.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!((&asked[0].key, &asked[0].body), (&asked[1].key, &asked[1].body));
        assert_eq!(receipt.instance_id, Some(1), "the instance that the lost answer was about");
    })
    .await;
}

#[tokio::test]
async fn an_api_that_is_unavailable_gets_every_report_later() {
    without_broker(|host| async move {
        host.api.is(|_| Some(Mishap::Instead(503, r#"{"detail":"the database is away"}"#)));
        let agent = host.agent_without_broker();
        let runs: Vec<_> = (0..20).map(|config| (Lane::Config(config), run())).collect();
        for (lane, run_id) in &runs {
            agent.push(*lane, created(*run_id));
        }
        host.api.was_asked(|asked| asked.len() >= 4).await;
        host.api.is_well();
        agent.drained().await;
        assert_eq!(host.api.done().len(), 20);
        let mut instances: Vec<_> =
            runs.iter().map(|(_, run_id)| agent.reports.instance_id(*run_id).unwrap()).collect();
        instances.sort_unstable();
        instances.dedup();
        assert_eq!(instances.len(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_hangs_or_always_fails_holds_up_its_own_lane_only() {
    without_broker(|host| async move {
        let [hangs, fails] = [Uuid::now_v7(), Uuid::now_v7()];
        host.api.is(move |asked| {
            if asked.what.contains(&hangs.to_string()) {
                Some(Mishap::Silence)
            } else if asked.what.contains(&fails.to_string()) {
                Some(Mishap::Instead(500, "Internal Server Error"))
            } else {
                None
            }
        });
        let agent = host.agent_without_broker();
        agent.push(LANE, fulfilled(hangs, None));
        agent.push(OTHER, fulfilled(fails, None));
        let behind = agent.push(OTHER, fulfilled(Uuid::now_v7(), None));
        host.api.was_asked(|asked| asked.len() >= 2).await;
        for config in 10..110 {
            agent.push(Lane::Config(config), fulfilled(Uuid::now_v7(), None));
        }
        host.api.has_done(|done| done.len() == 100).await;
        host.has_spooled(3).await;
        host.api.is_well();
        soon("delivery", behind.delivered()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_page_of_another_server_is_no_refusal() {
    without_broker(|host| async move {
        host.api.is(|_| Some(Mishap::Instead(404, "<html>default backend</html>")));
        let agent = host.agent_without_broker();
        let ticket = agent.push(LANE, created(run()));
        host.api.was_asked(|asked| asked.len() >= 3).await;
        host.api.is_well();
        soon("delivery", ticket.delivered()).await.unwrap();
        assert!(host.rejected().is_empty());
    })
    .await;
}

#[tokio::test]
async fn leaving_does_not_wait_for_those_who_are_silent() {
    without_broker(|host| async move {
        host.api.is(|_| Some(Mishap::Silence));
        // Accepts connections and says nothing.
        let silent = Proxy::to(("127.0.0.1".to_owned(), host.api.address.port())).await;
        silent.freeze();
        let mut broker = nowhere();
        broker.port = silent.address.port();
        let agent = host.agent_at(&host.api.url(), broker);
        agent.push(LANE, created(run()));
        agent.push(Lane::Worker, Report::WorkerStatus { status: StatusType::Running });
        host.api.was_asked(|asked| asked.len() == 1).await;
        agent.leave().await;
        assert_eq!(host.spooled().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_the_agent_leaves_is_not_told_twice() {
    with_host(|host| async move {
        // So that the queue is there and the first attempt is quick.
        let name = messaging::Broker::new("test.first", broker::config());
        Publisher::new(name, host.topology.clone()).connect().await.unwrap();
        let listener = Listener::start(&host.topology);
        for round in 0..5 {
            let agent = host.agent();
            for n in 0..10 {
                agent.push(Lane::Config(n), created(run()));
                agent.push(Lane::Worker, Report::WorkerStatus { status: StatusType::Running });
            }
            agent.leave().await;
            assert!(host.spooled().len() <= 20 * (round + 1));
        }
        let agent = host.agent();
        agent.drained().await;
        let mut heard = listener.hears(|heard| heard.len() >= 50).await;
        heard.sort_by_key(|heard| heard.message_id.clone());
        heard.dedup_by_key(|heard| heard.message_id.clone());
        assert_eq!(heard.len(), 50);
        assert_eq!((host.api.asked().len(), host.api.done().len()), (50, 50));
    })
    .await;
}
