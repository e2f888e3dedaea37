//! Everything while PostgreSQL is away: a clear answer, nothing lost, recovery by itself.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::header::RETRY_AFTER;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Answer, Api, Database, Proxy, System, V1Worker, eventually};

/// Longer than a worker may be silent, so that whoever counts the outage as silence says LOST.
const OUTAGE: Duration = Duration::from_secs(8);

/// A system that reaches its database through a proxy, with a worker that runs something, and users at work.
struct Outage {
    system: System,
    proxy: Proxy,
    worker: V1Worker,
    instance: i32,
    users: JoinSet<Vec<i64>>,
    stop: watch::Sender<bool>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_cut_off_costs_503s_and_nothing_else() {
    let outage = Outage::prepare().await;
    outage.proxy.cut();
    outage.lived_through().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_falls_silent_is_not_waited_for() {
    let outage = Outage::prepare().await;
    outage.proxy.silence();
    outage.lived_through().await;
}

impl Outage {
    /// Everything in full swing.
    async fn prepare() -> Self {
        let database = Database::create().await;
        let proxy = Proxy::to(database.address()).await;
        let url = database.url_at("127.0.0.1", proxy.port);
        let system = System::start_on(database, &url).await;
        let mut worker = V1Worker::start(&system.dal, &system.broker).await;
        let instance = worker.run_instance(1).await;
        worker.beats();
        worker.beats_for(instance);
        let (mut users, stop) = (JoinSet::new(), watch::Sender::new(false));
        for _ in 0..4 {
            users.spawn(ask_until(stop.subscribe(), system.experience.clone()));
        }
        let outage = Self { system, proxy, worker, instance, users, stop };
        outage.status_becomes("RUNNING").await;
        eventually("users are at work", async || outage.acknowledged().await > 20).await;
        outage
    }

    async fn lived_through(mut self) {
        self.everything_says_that_it_is_away().await;
        self.stop.send_replace(true);
        let acknowledged = std::mem::take(&mut self.users).join_all().await.concat();
        self.worker.report_instance(self.instance, "COMPLETE").await;
        self.proxy.restore();
        self.system.is_ready().await;
        self.everything_works_again().await;
        self.nothing_acknowledged_is_lost(&acknowledged).await;
    }

    async fn everything_says_that_it_is_away(&self) {
        let System { dal, experience, status, processor, .. } = &self.system;
        let body = json!({"name": "factorio", "server_type": "STEAM", "app_id": 427_520});
        let began = Instant::now();
        while began.elapsed() < OUTAGE {
            let reads = [
                experience.get("/worker/current"),
                experience.get("/gameserver"),
                experience.get("/gameserver/instances/active"),
                dal.get("/server/config/1"),
                status.get("/status/worker/1"),
                status.get("/status/workers"),
            ];
            let (reads, start, worker, instance, game_server) = tokio::join!(
                join_all(reads),
                experience.post("/gameserver/1/start"),
                dal.post("/worker/create"),
                self.worker.create_instance(1),
                experience.post_json("/gameserver/types", &body),
            );
            for answer in reads.iter().chain([&start, &worker, &instance, &game_server]) {
                is_away(answer);
            }
        }
        eventually("nothing is ready", async || self.system.readiness().await == [false; 4]).await;
        for api in [dal, experience, status, processor] {
            assert!(api.is_well("/livez").await, "a restart would not help");
        }
    }

    async fn everything_works_again(&self) {
        let config = self.system.dal.get("/server/config/1").await.ok();
        assert_eq!(config["name"], "testcs2");
        self.system.experience.post("/gameserver/1/start").await.ok();
        self.status_becomes("COMPLETE").await;
        eventually("silence could mean something again", async || {
            let listening = "SELECT EXISTS (SELECT FROM heartbeat_intakes
                WHERE last_flush_at > now() - interval '3 s' AND listening_since < now() - interval '6 s')";
            self.system.database.value(listening).await
        })
        .await;
        let worker = self.system.experience.get("/worker/status").await.ok();
        assert_eq!(worker["status_type"], "RUNNING");
        let lost = "SELECT count(*) FROM events WHERE event_type IN ('WorkerLost', 'InstanceLost')";
        let lost: i64 = self.system.database.value(lost).await;
        assert_eq!(lost, 0, "nobody was silent, we were deaf");
    }

    async fn nothing_acknowledged_is_lost(&self, acknowledged: &[i64]) {
        assert!(!acknowledged.is_empty());
        let query = "SELECT position FROM events WHERE event_type = 'StartRequested'";
        let stored = self.system.database.values::<i64>(query).await;
        for position in acknowledged {
            assert!(stored.contains(position), "{position} was acknowledged");
        }
    }

    /// What is shown of the instance.
    async fn status_becomes(&self, status: &str) {
        let path = format!("/status/instance/{}", self.instance);
        eventually(&format!("the instance is {status}"), async || {
            let answer = self.system.status.get(&path).await;
            answer.status.is_success() && answer.ok()["status_type"] == status
        })
        .await;
    }

    async fn acknowledged(&self) -> i64 {
        let query = "SELECT count(*) FROM events WHERE event_type = 'StartRequested'";
        self.system.database.value(query).await
    }
}

/// Asks for starts until told to stop; returns the positions of those that were acknowledged.
async fn ask_until(stopped: watch::Receiver<bool>, experience: Api) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    while !*stopped.borrow() {
        let answer = experience.post("/gameserver/2/start").await;
        if answer.status.is_success() {
            acknowledged.push(answer.headers["manman-position"].to_str().unwrap().parse().unwrap());
        } else {
            is_away(&answer);
        }
    }
    acknowledged
}

/// v1's shape of an error, and when to come again.
#[track_caller]
fn is_away(answer: &Answer) {
    let detail = answer.refused(503);
    assert!(!detail.is_empty());
    let seconds: u64 = answer.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}
