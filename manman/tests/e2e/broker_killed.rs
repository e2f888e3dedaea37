//! Commands while the broker is dead: accepted, and delivered when it is back.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Api, Message, System, V1Worker, eventually};

const POSTS: usize = 2_000;
const CONNECTIONS: usize = 32;

/// The broker is killed after so many, and not later than after so many more.
const BEFORE_DEATH: usize = 500;
/// As many are posted at most before another worker takes over.
const BEFORE_TAKEOVER: usize = 1_400;

/// Posts starts over many connections, and never more than allowed.
struct Users {
    posted: Arc<AtomicUsize>,
    allowed: watch::Sender<usize>,
    tasks: JoinSet<()>,
}

impl Users {
    fn start(experience: &Api) -> Self {
        let (posted, allowed) = (Arc::<AtomicUsize>::default(), watch::Sender::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (experience, posted) = (experience.clone(), Arc::clone(&posted));
            let mut allowed = allowed.subscribe();
            tasks.spawn(async move {
                loop {
                    let number = posted.fetch_add(1, Ordering::SeqCst);
                    if number >= POSTS {
                        return;
                    }
                    allowed.wait_for(|allowed| number < *allowed).await.unwrap();
                    experience.post("/gameserver/1/start").await.ok();
                }
            });
        }
        Self { posted, allowed, tasks }
    }

    fn allow(&self, posts: usize) {
        self.allowed.send_replace(posts);
    }

    async fn have_posted(&self, posts: usize) {
        eventually(&format!("{posts} starts are posted"), async || {
            self.posted.load(Ordering::SeqCst) >= posts
        })
        .await;
    }

    /// Every one was answered with success.
    async fn all_answered(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// What a worker received, in order, repetitions included.
type Received = Arc<Mutex<Vec<Message>>>;

/// Consumes a worker's commands for ever, over as many connections as that takes.
async fn obey(mut worker: V1Worker, system: Arc<System>, received: Received) {
    loop {
        match worker.try_next_command().await {
            Some(command) => received.lock().unwrap().push(command),
            None => worker.reconnect(&system.broker).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_start_is_lost_or_out_of_order_when_the_broker_is_killed_while_2000_are_posted() {
    let system = Arc::new(System::start().await);
    let (first_received, second_received) = (Received::default(), Received::default());
    let mut workers = JoinSet::new();
    let mut first = V1Worker::start(&system.dal, &system.broker).await;
    first.beats();
    workers.spawn(obey(first, Arc::clone(&system), Arc::clone(&first_received)));

    let users = Users::start(&system.experience);
    users.allow(BEFORE_TAKEOVER);
    users.have_posted(BEFORE_DEATH).await;
    system.broker.kill9().await;
    let (second_system, received) = (Arc::clone(&system), Arc::clone(&second_received));
    workers.spawn(async move {
        // It registers now, and has to wait for the broker then.
        let mut second = V1Worker::start(&second_system.dal, &second_system.broker).await;
        second.beats();
        obey(second, second_system, received).await;
    });
    eventually("the second worker is the only one", async || {
        let workers = system.status.get("/status/workers?open=true").await.ok();
        workers["workers"][0]["worker_id"] == 2 && workers["workers"].as_array().unwrap().len() == 1
    })
    .await;
    users.allow(POSTS);
    users.all_answered().await;
    assert!(system.experience.is_well("/readyz").await, "commands are accepted without a broker");

    system.broker.start_again().await;
    let both = [&first_received, &second_received];
    eventually("everything is delivered", async || {
        both.iter().map(|received| unique(received).len()).sum::<usize>() == POSTS
    })
    .await;
    for (worker, received) in (1..).zip(both) {
        let asked = starts(&system, worker).await;
        assert!(!asked.is_empty());
        assert!(unique(received) == asked, "worker {worker} got its starts in another order");
        let start = r#"{"command_type":"START","command_args":["1"]}"#;
        assert!(received.lock().unwrap().iter().all(|command| command.body == start));
    }
    eventually("everything is ready again", async || system.readiness().await == [true; 4]).await;
    workers.shutdown().await;
}

/// The message ids received, without repetitions.
fn unique(received: &Received) -> Vec<String> {
    let mut known = HashSet::new();
    let received = received.lock().unwrap();
    let ids = received.iter().map(|command| command.message_id.clone().unwrap());
    ids.filter(|id| known.insert(id.clone())).collect()
}

/// The events that asked a worker to start something, in the order of the log.
async fn starts(system: &System, worker: i32) -> Vec<String> {
    let query = format!(
        "SELECT event_id::text FROM events
          WHERE aggregate_type = 'worker' AND aggregate_id = '{worker}' AND event_type = 'StartRequested'
          ORDER BY position"
    );
    system.database.values(&query).await
}
