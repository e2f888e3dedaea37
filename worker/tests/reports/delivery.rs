//! Good days.

use messaging::contract::StatusType;
use messaging::contract::time::parse_value;
use serde_json::json;
use uuid::Uuid;
use worker::reports::{Lane, Receipt, Report};

use crate::support::{
    Heard, Listener, WORKER, closed, created, fulfilled, progress, remark, run, status, with_host,
    without_broker,
};

const LANE: Lane = Lane::Config(3);

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_run_is_told_in_order() {
    with_host(|host| async move {
        let listener = Listener::start(&host.topology);
        let agent = host.agent();
        let (run_id, command_id) = (run(), Uuid::now_v7());
        let begun = agent.push(LANE, created(run_id));
        for step in [StatusType::Created, StatusType::Initializing, StatusType::Running] {
            agent.push(LANE, status(run_id, step));
        }
        let outcome = agent.push(LANE, fulfilled(command_id, Some(run_id)));
        agent.push(LANE, closed(run_id));
        let last = agent.push(LANE, remark(run_id, 3, "bye"));

        let Receipt { instance_id } = begun.delivered().await.unwrap();
        let instance_id = instance_id.unwrap();
        assert_eq!(agent.reports.instance_id(run_id), Some(instance_id));
        for ticket in [outcome, last] {
            assert_eq!(ticket.delivered().await.unwrap().instance_id, Some(instance_id));
        }
        agent.drained().await;
        assert!(host.spooled().is_empty());

        let done = host.api.done();
        let calls: Vec<_> = done.iter().map(|asked| asked.what.clone()).collect();
        let expected = [
            "POST /server/instance/create".to_owned(),
            format!("PUT /v1/workers/{WORKER}/commands/{command_id}/outcome"),
            "PUT /server/instance/shutdown".to_owned(),
        ];
        assert_eq!(calls, expected);
        assert_eq!(done[0].body, json!({"game_server_config_id": 3, "worker_id": WORKER}));
        let fulfilled =
            json!({"outcome": "fulfilled", "game_server_instance_id": instance_id.to_string()});
        assert_eq!(done[1].body, fulfilled);
        assert_eq!(done[2].body, json!({"game_server_instance_id": instance_id}));
        assert!(done[0].key.is_some() && done[2].key.is_some() && done[0].key != done[2].key);

        let heard = listener.hears(|heard| heard.len() >= 4).await;
        let told: Vec<_> = heard.iter().map(Heard::status).collect();
        assert_eq!(told, ["CREATED", "INITIALIZING", "RUNNING", "COMPLETE"]);
        assert_eq!(heard[3].reason(), "bye");
        for heard in &heard {
            assert_eq!(heard.key, format!("game_server_instance.{instance_id}.status"));
            assert_eq!(heard.body["identifier"], instance_id.to_string());
        }
        for pair in heard.windows(2) {
            assert_ne!(pair[0].message_id, pair[1].message_id);
            let as_of = |at: usize| parse_value(&pair[at].body["as_of"]).unwrap();
            assert!(as_of(0) < as_of(1), "{pair:?}");
        }
        agent.leave().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_tells_of_itself() {
    with_host(|host| async move {
        let listener = Listener::start(&host.topology);
        let agent = host.agent();
        agent.push(Lane::Worker, Report::WorkerStatus { status: StatusType::Running });
        agent.push(Lane::Worker, Report::WorkerClosed);
        agent.push(Lane::Worker, Report::WorkerStatus { status: StatusType::Complete });
        agent.drained().await;
        let heard = listener.hears(|heard| heard.len() >= 2).await;
        let told: Vec<_> = heard.iter().map(Heard::status).collect();
        assert_eq!(told, ["RUNNING", "COMPLETE"]);
        assert_eq!(heard[0].key, format!("worker.{WORKER}.status"));
        assert_eq!(host.api.done()[0].body, json!({"worker_id": WORKER}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_instance_is_closed_and_then_told_as_crashed() {
    with_host(|host| async move {
        let listener = Listener::start(&host.topology);
        let agent = host.agent();
        let reason = "unknown to this host".to_owned();
        let ended = agent
            .push(LANE, Report::StrayInstanceEnded { instance_id: 12, reason: reason.clone() });
        assert_eq!(ended.delivered().await.unwrap().instance_id, Some(12));
        assert_eq!(host.api.done()[0].body, json!({"game_server_instance_id": 12}));
        let heard = listener.hears(|heard| !heard.is_empty()).await;
        assert_eq!((heard[0].status(), heard[0].reason()), ("CRASHED", reason.as_str()));
        assert_eq!(heard[0].key, "game_server_instance.12.status");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_announced_again_is_the_same_instance() {
    with_host(|host| async move {
        let agent = host.agent();
        let run_id = run();
        let first = agent.push(LANE, created(run_id));
        let again = agent.push(LANE, created(run_id));
        let instance = first.delivered().await.unwrap();
        assert_eq!(again.delivered().await.unwrap(), instance);
        agent.leave().await;

        let agent = host.agent();
        let later = agent.push(LANE, created(run_id));
        assert_eq!(later.delivered().await.unwrap(), instance);
        assert_eq!(host.api.asked().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_delivered_is_left_to_the_next_agent() {
    without_broker(|host| async move {
        let run_id = run();
        let (reports, delivery) = host.open(&host.api.url(), crate::support::nowhere());
        drop(delivery);
        reports.push(WORKER, LANE, created(run_id));
        reports.push(WORKER, LANE, closed(run_id));
        assert_eq!(host.spooled().len(), 2);
        drop(reports);

        let agent = host.agent_without_broker();
        agent.drained().await;
        assert!(host.spooled().is_empty());
        let instance_id = agent.reports.instance_id(run_id).unwrap();
        assert_eq!(host.api.done()[1].body, json!({"game_server_instance_id": instance_id}));
        agent.leave().await;

        let agent = host.agent_without_broker();
        assert_eq!(agent.reports.instance_id(run_id), Some(instance_id), "kept over restarts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_run_is_known_until_its_last_report_is_delivered() {
    with_host(|host| async move {
        let agent = host.agent();
        let run_id = run();
        agent.push(LANE, created(run_id)).delivered().await.unwrap();
        agent.leave().await;

        let agent = host.agent_without_broker();
        agent.push(LANE, remark(run_id, 3, "bye"));
        agent.reports.forget(run_id);
        assert!(agent.reports.instance_id(run_id).is_some());
        agent.leave().await;

        let listener = Listener::start(&host.topology);
        let agent = host.agent();
        agent.drained().await;
        assert_eq!(listener.hears(|heard| !heard.is_empty()).await[0].reason(), "bye");
        assert_eq!(agent.reports.instance_id(run_id), None);
        agent.leave().await;
        let (reports, _) = host.open(&host.api.url(), crate::support::nowhere());
        assert_eq!(reports.instance_id(run_id), None, "on disk, too");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_progress_that_waits_only_the_newest_is_told() {
    with_host(|host| async move {
        let agent = host.agent();
        let (run_id, other) = (run(), run());
        agent.push(LANE, created(run_id)).delivered().await.unwrap();
        agent.push(Lane::Config(4), created(other)).delivered().await.unwrap();
        agent.leave().await;

        let (reports, delivery) = host.open(&host.api.url(), crate::broker::config());
        let initializing = status(run_id, StatusType::Initializing);
        reports.push(WORKER, LANE, initializing);
        let outdated = reports.push(WORKER, LANE, progress(run_id, 1));
        reports.push(WORKER, Lane::Config(4), progress(other, 2));
        for percent in [3, 4] {
            reports.push(WORKER, LANE, progress(run_id, percent));
        }
        reports.push(WORKER, LANE, status(run_id, StatusType::Running));
        outdated.delivered().await.unwrap();
        assert_eq!(host.spooled().len(), 4);

        let listener = Listener::start(&host.topology);
        tokio::spawn(delivery.run(tokio_util::sync::CancellationToken::new()));
        let heard = listener.hears(|heard| heard.len() >= 4).await;
        let percents = |run_id| {
            let key =
                format!("game_server_instance.{}.status", reports.instance_id(run_id).unwrap());
            let of_run = heard.iter().filter(move |heard| heard.key == key);
            of_run.map(|heard| heard.body["detail"]["progress"]["percent"].as_u64()).collect()
        };
        let (percents, others): (Vec<_>, Vec<_>) = (percents(run_id), percents(other));
        assert_eq!(percents, [None, Some(4), None]);
        assert_eq!(others, [Some(2)]);
    })
    .await;
}
