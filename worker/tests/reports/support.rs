//! A host that reports: its spool, the API and the broker it reports to, and agents one after the other.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use messaging::contract::{Progress, StatusDetail, StatusType};
use messaging::{Broker, BrokerConfig, Topology};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worker::api::Api;
use worker::reports::{Delivery, Lane, Outcome, Report, Reports, Ticket};
use worker::run_dir::RunId;

use crate::broker::{self, soon};
use crate::stub_api::StubApi;

pub const WORKER: i32 = 6;

pub struct Host {
    pub api: StubApi,
    pub topology: Topology,
    directory: TempDir,
}

/// Runs a test on a host with names of its own on the broker.
pub async fn with_host<F: Future<Output = ()>>(test: impl FnOnce(Host) -> F) {
    broker::with_topology(|topology| async move {
        test(Host { api: StubApi::start().await, topology, directory: TempDir::new().unwrap() })
            .await;
    })
    .await;
}

/// Runs a test on a host whose broker nobody is.
pub async fn without_broker<F: Future<Output = ()>>(test: impl FnOnce(Host) -> F) {
    let directory = TempDir::new().unwrap();
    test(Host { api: StubApi::start().await, topology: Topology::v1(), directory }).await;
}

/// A broker that does not exist.
pub fn nowhere() -> BrokerConfig {
    let mut config = BrokerConfig::new("127.0.0.1", 1, "guest", "guest", "/");
    config.backoff.first = std::time::Duration::from_millis(50);
    config.backoff.max = std::time::Duration::from_millis(200);
    config
}

impl Host {
    pub fn spool(&self) -> PathBuf {
        self.directory.path().join("spool")
    }

    /// The names of the undelivered reports' files.
    pub fn spooled(&self) -> Vec<PathBuf> {
        files_in(&self.spool(), |name| name.starts_with('0'))
    }

    /// Returns when so many reports are undelivered on disk.
    pub async fn has_spooled(&self, count: usize) {
        soon("the spool has its files", async {
            while self.spooled().len() != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// What is kept of rejected reports.
    pub fn rejected(&self) -> Vec<Value> {
        let files = files_in(&self.spool().join("rejected"), |_| true);
        files.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
    }

    /// An agent that delivers to the API and the broker.
    pub fn agent(&self) -> Agent {
        self.agent_at(&self.api.url(), broker::config())
    }

    /// An agent whose broker is away.
    pub fn agent_without_broker(&self) -> Agent {
        self.agent_at(&self.api.url(), nowhere())
    }

    /// An agent that delivers to these.
    pub fn agent_at(&self, api: &str, broker: BrokerConfig) -> Agent {
        let (reports, delivery) = self.open(api, broker);
        let stop = CancellationToken::new();
        let delivering = tokio::spawn(delivery.run(stop.clone()));
        Agent { reports, stop, delivering }
    }

    /// The spool, without anybody who delivers.
    pub fn open(&self, api: &str, broker: BrokerConfig) -> (Reports, Delivery) {
        let api = Api::try_new(api, true).unwrap();
        let broker = Broker::new("test.reports", broker);
        Reports::open(self.spool(), api, broker, self.topology.clone()).unwrap()
    }
}

fn files_in(directory: &std::path::Path, is_meant: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| is_meant(path.file_name().unwrap().to_str().unwrap())).collect();
    paths.sort();
    paths
}

pub struct Agent {
    pub reports: Reports,
    stop: CancellationToken,
    delivering: JoinHandle<()>,
}

impl Agent {
    pub fn push(&self, lane: Lane, report: Report) -> Ticket {
        self.reports.push(WORKER, lane, report)
    }

    pub async fn drained(&self) {
        soon("everything is delivered", self.reports.drained()).await;
    }

    /// It leaves as it is told to.
    pub async fn leave(self) {
        self.stop.cancel();
        soon("the delivery ends", self.delivering).await.unwrap();
    }
}

pub fn run() -> RunId {
    RunId(Uuid::now_v7())
}

pub const fn created(run_id: RunId) -> Report {
    Report::InstanceCreated { run_id, game_server_config_id: 3 }
}

pub const fn closed(run_id: RunId) -> Report {
    Report::InstanceClosed { run_id }
}

pub fn status(run_id: RunId, status: StatusType) -> Report {
    Report::InstanceStatus { run_id, status, detail: None }
}

/// What can be said of a run, each once.
pub const STATUSES: [StatusType; 5] = [
    StatusType::Created,
    StatusType::Initializing,
    StatusType::Running,
    StatusType::Complete,
    StatusType::Crashed,
];

/// A status that can be told from others: the run's first, second, …
pub fn remark(run_id: RunId, nth: usize, reason: impl Into<String>) -> Report {
    let detail = StatusDetail { reason: Some(reason.into()), ..StatusDetail::default() };
    Report::InstanceStatus { run_id, status: STATUSES[nth], detail: Some(detail) }
}

pub fn progress(run_id: RunId, percent: u8) -> Report {
    let progress =
        Progress { phase: "downloading".to_owned(), percent: Some(percent), ..Progress::default() };
    let detail = StatusDetail { progress: Some(progress), ..StatusDetail::default() };
    Report::InstanceStatus { run_id, status: StatusType::Initializing, detail: Some(detail) }
}

pub const fn fulfilled(command_id: Uuid, run_id: Option<RunId>) -> Report {
    Report::CommandOutcome { command_id, outcome: Outcome::Fulfilled, run_id }
}

/// A status as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub key: String,
    pub message_id: String,
    pub body: Value,
}

impl Heard {
    pub fn status(&self) -> &str {
        self.body["status_type"].as_str().unwrap()
    }

    pub fn reason(&self) -> &str {
        self.body["detail"]["reason"].as_str().unwrap()
    }
}

/// Takes every status from the queue from which the intake would take it.
pub struct Listener {
    heard: Arc<watch::Sender<Vec<Heard>>>,
    _stop: tokio_util::sync::DropGuard,
}

impl Listener {
    pub fn start(topology: &Topology) -> Self {
        let queue = topology.internal_status_queue();
        let (mut consumer, stop) = broker::consumer(broker::config(), topology, queue, 100);
        let heard = Arc::new(watch::Sender::<Vec<Heard>>::default());
        let hearing = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                let news = Heard {
                    key: delivery.routing_key.clone(),
                    message_id: delivery.message_id.clone().unwrap_or_default(),
                    body: serde_json::from_slice(&delivery.body).unwrap(),
                };
                if delivery.ack().await {
                    hearing.send_modify(|all| all.push(news));
                }
            }
        });
        Self { heard, _stop: stop.drop_guard() }
    }

    /// What was heard, when it is so much that `enough`.
    pub async fn hears(&self, enough: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let mut heard = self.heard.subscribe();
        soon("the statuses arrive", async {
            heard.wait_for(|heard| enough(heard)).await.unwrap().clone()
        })
        .await
    }
}
