//! What there is to do: instances that report, users who ask, and somebody who listens to all that happens.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Api, Database, Inbox, Reporter, System, V1Worker, eventually};

/// So many instances report, each so often.
const INSTANCES: usize = 8;
const REPORT_EVERY: Duration = Duration::from_millis(40);
/// So many users ask, each so often.
const USERS: usize = 2;
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long a user waits who was told to come again.
const AGAIN: Duration = Duration::from_millis(200);

/// The ids of what each instance reported, in that order.
pub type Reported = BTreeMap<i32, Vec<Uuid>>;

/// While it goes on.
pub struct Load {
    worker: V1Worker,
    reporting: JoinSet<(i32, Vec<Uuid>)>,
    asking: JoinSet<()>,
    asked: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    listener: Listener,
    stop: CancellationToken,
}

/// What came of it. The worker shows signs of life until this is dropped.
pub struct Done {
    pub reported: Reported,
    asked: usize,
    refused: usize,
    listener: Listener,
    _worker: V1Worker,
}

/// Somebody who gets every domain event.
struct Listener {
    /// All before was on the log before it listened.
    from: i64,
    heard: Arc<Mutex<Vec<i64>>>,
    _listening: JoinHandle<()>,
}

impl Load {
    pub async fn begin(system: &System) -> Self {
        let listener = Listener::start(system).await;
        let mut worker = V1Worker::start(&system.dal, &system.broker).await;
        worker.beats();
        let (mut reporting, mut asking) = (JoinSet::new(), JoinSet::new());
        let stop = CancellationToken::new();
        for _ in 0..INSTANCES {
            let instance = worker.run_instance(1).await;
            worker.beats_for(instance);
            let reporter = Reporter::connect(&system.broker).await;
            reporting.spawn(report(reporter, instance, stop.clone()));
        }
        let (asked, refused) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        for _ in 0..USERS {
            let (asked, refused) = (Arc::clone(&asked), Arc::clone(&refused));
            asking.spawn(ask(system.experience.clone(), asked, refused, stop.clone()));
        }
        Self { worker, reporting, asking, asked, refused, listener, stop }
    }

    pub async fn end(mut self) -> Done {
        self.stop.cancel();
        while let Some(ended) = self.asking.join_next().await {
            ended.unwrap();
        }
        let mut reported = Reported::new();
        while let Some(ended) = self.reporting.join_next().await {
            let (instance, reports) = ended.unwrap();
            reported.insert(instance, reports);
        }
        Done {
            reported,
            asked: self.asked.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            listener: self.listener,
            _worker: self.worker,
        }
    }
}

async fn report(reporter: Reporter, instance: i32, stop: CancellationToken) -> (i32, Vec<Uuid>) {
    let mut reports = Vec::new();
    let mut moments = tokio::time::interval(REPORT_EVERY);
    while stop.run_until_cancelled(moments.tick()).await.is_some() {
        reports.push(reporter.report_instance(instance, "RUNNING").await);
    }
    (instance, reports)
}

async fn ask(
    experience: Api,
    asked: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    let body = json!({"commands": ["say hello"]});
    let mut moments = tokio::time::interval(ASK_EVERY);
    while stop.run_until_cancelled(moments.tick()).await.is_some() {
        let answer = experience.post_json("/gameserver/1/stdin", &body).await;
        if answer.status == 503 {
            // While nobody keeps the read models, and with them who the worker is.
            refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        answer.ok();
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

impl Done {
    pub fn in_words(&self) -> String {
        let reports: usize = self.reported.values().map(Vec::len).sum();
        format!("{reports} reports, {} requests and {} refused", self.asked, self.refused)
    }

    /// Waits until every event was heard of that came after its begin, and says how often how many were.
    pub async fn heard_all(&self, database: &Database) -> String {
        let Listener { from, heard, .. } = &self.listener;
        let head: i64 = database.value("SELECT position FROM log_head").await;
        let unique = || {
            let mut positions = heard.lock().unwrap().clone();
            positions.retain(|position| *position > *from && *position <= head);
            positions.sort_unstable();
            positions.dedup();
            positions
        };
        eventually("every event is heard of", async || unique().len() as i64 == head - from).await;
        let heard = heard.lock().unwrap();
        format!(
            "all {} events in {} messages, {} of them later than one that came later on the log",
            head - from,
            heard.len(),
            overtaken(&heard),
        )
    }
}

/// How many events were first heard of after a later one: a relay that was stopped half-way through a batch may say
/// when it goes on what it had in hand, while another has not come so far yet.
fn overtaken(heard: &[i64]) -> usize {
    let (mut known, mut latest, mut overtaken) = (HashSet::new(), 0, 0);
    for position in heard {
        if known.insert(*position) {
            overtaken += usize::from(*position < latest);
            latest = latest.max(*position);
        }
    }
    overtaken
}

impl Listener {
    async fn start(system: &System) -> Self {
        let all = [("manman.events", "#")];
        let mut inbox = Inbox::open(&system.broker, "listens-to-all", false, &all).await;
        let from = system.database.value("SELECT position FROM log_head").await;
        let heard = Arc::<Mutex<Vec<i64>>>::default();
        let hearing = Arc::clone(&heard);
        let listening = tokio::spawn(async move {
            while let Some(message) = inbox.try_next().await {
                let event: Value = serde_json::from_str(&message.body).unwrap();
                hearing.lock().unwrap().push(event["position"].as_i64().unwrap());
            }
        });
        Self { from, heard, _listening: listening }
    }
}
