//! A disk that takes nothing, and files that say nothing.

use std::fs;

use messaging::contract::time::parse_value;
use serde_json::{Value, json};
use worker::reports::Lane;

use crate::broker::soon;
use crate::support::{WORKER, closed, created, nowhere, run, without_broker};

const LANE: Lane = Lane::Config(3);

#[tokio::test]
async fn while_the_disk_takes_nothing_reports_are_delivered_from_memory() {
    without_broker(|host| async move {
        let agent = host.agent_without_broker();
        fs::remove_dir_all(host.spool()).unwrap();
        fs::write(host.spool(), "in the way").unwrap();
        let run_id = run();
        let receipt = agent.push(LANE, created(run_id)).delivered().await.unwrap();
        agent.push(LANE, closed(run_id)).delivered().await.unwrap();
        agent.drained().await;
        assert_eq!(agent.reports.instance_id(run_id), receipt.instance_id);
        assert_eq!(host.api.done().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_written_is_written_when_it_can_be() {
    without_broker(|host| async move {
        let nobody = "http://127.0.0.1:1";
        let agent = host.agent_at(nobody, nowhere());
        fs::remove_dir_all(host.spool()).unwrap();
        fs::write(host.spool(), "in the way").unwrap();
        let run_id = run();
        agent.push(LANE, created(run_id));
        agent.push(LANE, closed(run_id));
        fs::remove_file(host.spool()).unwrap();
        host.has_spooled(2).await;
        agent.leave().await;

        let agent = host.agent_without_broker();
        agent.drained().await;
        assert_eq!(host.api.done().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_could_not_be_noted_is_asked_for_again_under_the_same_key() {
    without_broker(|host| async move {
        let (reports, delivery) = host.open(&host.api.url(), nowhere());
        let run_id = run();
        reports.push(WORKER, LANE, created(run_id));
        // In the way of the new content, as a full disk would be.
        fs::create_dir(host.spool().join("instances.new")).unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let delivering = tokio::spawn(delivery.run(stop.clone()));
        soon("delivery", reports.drained()).await;
        let instance_id = reports.instance_id(run_id);
        stop.cancel();
        delivering.await.unwrap();
        assert_eq!(host.spooled().len(), 1);
        fs::remove_dir(host.spool().join("instances.new")).unwrap();

        let agent = host.agent_without_broker();
        agent.drained().await;
        assert_eq!(agent.reports.instance_id(run_id), instance_id);
        let keys: Vec<_> = host.api.asked().into_iter().map(|asked| asked.key).collect();
        assert_eq!(keys, vec![Some(run_id.to_string()); 2]);
    })
    .await;
}

#[tokio::test]
async fn files_that_cannot_be_read_are_put_aside_and_hold_up_nothing() {
    without_broker(|host| async move {
        let (reports, _) = host.open(&host.api.url(), nowhere());
        let [torn, whole, other] = [run(), run(), run()];
        for (lane, run_id) in [(LANE, torn), (LANE, whole), (Lane::Config(4), other)] {
            reports.push(WORKER, lane, created(run_id));
            reports.push(WORKER, lane, closed(run_id));
        }
        drop(reports);
        let files = host.spooled();
        fs::write(&files[0], "").unwrap();
        fs::write(&files[4], r#"{"id":"half"#).unwrap();
        fs::copy(&files[2], host.spool().join("00000000000000000001.json")).unwrap();
        fs::write(host.spool().join("instances.json"), "[").unwrap();
        fs::write(host.spool().join("00000000000000000002.new"), "{}").unwrap();

        let agent = host.agent_without_broker();
        agent.drained().await;
        assert_eq!(host.api.done().len(), 2);
        assert!(agent.reports.instance_id(whole).is_some());
        // Nothing can be said of a run whose beginning is lost.
        assert_eq!(host.rejected().len(), 2);
        let aside = fs::read_dir(host.spool().join("unreadable")).unwrap().count();
        assert_eq!((aside, host.spooled().len()), (4, 0));
    })
    .await;
}

#[tokio::test]
async fn instants_increase_over_restarts_whatever_the_clock_does() {
    without_broker(|host| async move {
        let agent = host.agent_without_broker();
        agent.push(LANE, created(run()));
        agent.drained().await;
        agent.leave().await;
        // As if the clock had been an hour ahead.
        let path = host.spool().join("last-told.json");
        let mut told: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let ahead = parse_value(&told["at"]).unwrap() + chrono::TimeDelta::hours(1);
        told["at"] = json!(ahead);
        fs::write(&path, told.to_string()).unwrap();

        let (reports, _) = host.open(&host.api.url(), nowhere());
        for _ in 0..3 {
            reports.push(WORKER, LANE, created(run()));
        }
        let mut last = ahead;
        for path in host.spooled() {
            let spooled: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            let at = parse_value(&spooled["at"]).unwrap();
            assert!(at > last, "{at} after {last}");
            last = at;
        }
    })
    .await;
}
