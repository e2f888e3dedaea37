//! What is refused for good.

use serde_json::json;
use uuid::Uuid;
use worker::reports::{Lane, Outcome, Report};

use crate::stub_api::Mishap;
use crate::support::{
    Listener, closed, created, fulfilled, remark, run, with_host, without_broker,
};

const LANE: Lane = Lane::Config(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_instance_is_refused_is_not_told_of_and_its_command_fails() {
    with_host(|host| async move {
        host.api.is(|asked| {
            let refused = r#"{"detail":"Worker 6 is closed"}"#;
            asked.what.ends_with("/create").then_some(Mishap::Instead(410, refused))
        });
        let agent = host.agent();
        let (refused, taken) = (run(), run());
        let command_ids = [Uuid::now_v7(), Uuid::now_v7()];
        let ticket = agent.push(LANE, created(refused));
        let status = agent.push(LANE, remark(refused, 0, "never told"));
        agent.push(LANE, fulfilled(command_ids[0], Some(refused)));
        let outcome = Outcome::Refused { reason: "busy".to_owned() };
        let run_id = Some(refused);
        agent.push(LANE, Report::CommandOutcome { command_id: command_ids[1], outcome, run_id });
        let end = agent.push(LANE, closed(refused));
        let rejected = ticket.delivered().await.unwrap_err();
        assert_eq!(rejected.reason, "refused: 410 Worker 6 is closed");
        for ticket in [status, end] {
            let rejected = ticket.delivered().await.unwrap_err();
            let reason = "the run has no instance: refused: 410 Worker 6 is closed";
            assert_eq!(rejected.reason, reason);
        }
        host.api.is_well();
        agent.push(LANE, created(taken));
        agent.push(LANE, remark(taken, 0, "told")).delivered().await.unwrap();
        agent.drained().await;
        assert_eq!(agent.reports.instance_id(refused), None);

        let listener = Listener::start(&host.topology);
        assert_eq!(listener.hears(|heard| !heard.is_empty()).await[0].reason(), "told");
        let outcomes = host.api.done().into_iter().filter(|done| done.what.contains("/outcome"));
        let outcomes: Vec<_> = outcomes.map(|done| done.body).collect();
        let why = "the run has no instance: refused: 410 Worker 6 is closed";
        let failed = json!({"outcome": "failed", "reason": why});
        assert_eq!(outcomes, [failed, json!({"outcome": "refused", "reason": "busy"})]);
        let kept = host.rejected();
        assert_eq!(kept.len(), 3);
        assert_eq!(kept[0]["reason"], "refused: 410 Worker 6 is closed");
        assert_eq!(kept[0]["report"]["report"]["instance_created"]["run_id"], json!(refused));
        assert!(host.spooled().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_has_ended_already_counts_as_ended() {
    without_broker(|host| async move {
        host.api.is(|asked| {
            let again = r#"{"detail":"Game server instance 1 was already closed"}"#;
            asked.what.ends_with("/shutdown").then_some(Mishap::Instead(409, again))
        });
        let agent = host.agent_without_broker();
        let run_id = run();
        agent.push(LANE, created(run_id));
        agent.push(LANE, closed(run_id)).delivered().await.unwrap();
        agent.push(Lane::Worker, Report::WorkerClosed).delivered().await.unwrap();
        assert!(host.rejected().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_refused_report_does_not_hold_up_those_behind_it() {
    without_broker(|host| async move {
        let unknown = Uuid::now_v7();
        host.api.is(move |asked| {
            let refused = r#"{"code":"command_not_found","detail":"there is no such command"}"#;
            asked.what.contains(&unknown.to_string()).then_some(Mishap::Instead(404, refused))
        });
        let agent = host.agent_without_broker();
        let refused = agent.push(LANE, fulfilled(unknown, None));
        let behind = agent.push(LANE, fulfilled(Uuid::now_v7(), None));
        let rejected = refused.delivered().await.unwrap_err();
        assert_eq!(rejected.reason, "refused: 404 there is no such command");
        behind.delivered().await.unwrap();
        assert_eq!(host.rejected().len(), 1);
        agent.leave().await;

        let agent = host.agent_without_broker();
        agent.drained().await;
        assert_eq!(host.api.asked().len(), 2, "a rejected report is not tried again");
    })
    .await;
}

#[tokio::test]
async fn a_stray_instance_that_nobody_knows_is_not_told_of() {
    without_broker(|host| async move {
        host.api.is(|_| Some(Mishap::Instead(404, r#"{"detail":"Instance not found"}"#)));
        let agent = host.agent_without_broker();
        let stray = |instance_id| Report::StrayInstanceEnded { instance_id, reason: "x".into() };
        let [first, second] = [12, 13].map(|instance_id| agent.push(LANE, stray(instance_id)));
        first.delivered().await.unwrap_err();
        second.delivered().await.unwrap_err();
        // The second was closed on its own account, not taken for half told with the first.
        let bodies: Vec<_> = host.api.asked().into_iter().map(|asked| asked.body).collect();
        let expected = [12, 13].map(|id| json!({"game_server_instance_id": id}));
        assert_eq!(bodies, expected);
    })
    .await;
}
