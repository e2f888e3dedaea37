//! Delivering what is spooled: each lane in order, lanes side by side, over whichever transport is there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use messaging::{Broker, PublishError, Publisher, Topology};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::queue::Head;
use super::report::{Lane, Spooled};
use super::retry::Retry;
use super::shared::Shared;
use super::steps::{Batch, BatchError, Called, Published, call, off_the_runtime, publish, settle};
use super::telling::{Call, Telling};
use super::transport::Transport;
use crate::api::{Api, ApiError};

/// Calls of the API at once.
const CALLS: usize = 8;
/// Statuses in one batch.
const BATCH: usize = 500;
/// How often what is written is made to last.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long what is under way at shutdown may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Delivers reports; made by [`Reports::open`](super::Reports::open).
#[derive(Debug)]
pub struct Delivery {
    pub(super) shared: Arc<Shared>,
    pub(super) api: Api,
    pub(super) broker: Broker,
    pub(super) topology: Topology,
}

impl Delivery {
    /// Delivers until shutdown. What is under way then is finished if that is quick; the rest stays in the spool.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let mut courier = Courier::new(self);
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            courier.set_out();
            let due = courier.next_attempt();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(done) = courier.under_way.next() => courier.take_in(done),
                () = shared.wake.notified() => {}
                () = wait_until(due) => {}
                _ = housekeeping.tick() => courier.keep_house(),
            }
        }
        courier.come_home().await;
    }
}

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// What has come to an end.
pub(super) enum Done {
    /// A call of the API.
    Called(Called),
    /// A report that needed no transport.
    Settled(Lane),
    /// A batch of statuses.
    Published(Box<Published>),
    /// Housekeeping.
    HouseKept,
}

/// The one that goes out with reports.
struct Courier {
    shared: Arc<Shared>,
    api: Api,
    topology: Topology,
    http: Transport,
    amqp: Transport,
    /// Lanes whose head failed the last time.
    troubled: HashMap<Lane, Retry>,
    /// Lanes of which something is under way. Longer than its reports are in the queue: those are settled elsewhere, a moment
    /// before that is known here, and what is behind them must not set out in between and then count as put back.
    busy: HashSet<Lane>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    calls: usize,
    /// Away with a batch when it is not here.
    publisher: Option<Publisher>,
    is_keeping_house: bool,
}

impl Courier {
    fn new(delivery: Delivery) -> Self {
        let Delivery { shared, api, broker, topology } = delivery;
        Self {
            shared,
            api,
            publisher: Some(Publisher::new(broker, topology.clone())),
            topology,
            http: Transport::new("the Worker DAL API"),
            amqp: Transport::new("the broker"),
            troubled: HashMap::new(),
            busy: HashSet::new(),
            under_way: FuturesUnordered::new(),
            calls: 0,
            is_keeping_house: false,
        }
    }

    /// Sets out with everything that can be told now.
    fn set_out(&mut self) {
        let now = Instant::now();
        let mut calls = Vec::new();
        let mut status_lanes = Vec::new();
        for head in self.heads() {
            if self.busy.contains(&head.lane) || self.not_before(head.lane, now).is_some() {
                continue;
            }
            match head.telling {
                Telling::Call(call) => calls.push((head.lane, head.spooled, call)),
                Telling::Status(_) => status_lanes.push(head.lane),
                settled @ (Telling::Known | Telling::Pointless { .. }) => {
                    self.shared.queue().begin(&head.spooled);
                    self.busy.insert(head.lane);
                    let shared = Arc::clone(&self.shared);
                    self.under_way.push(Box::pin(settle(shared, head.spooled, settled)));
                }
            }
        }
        if calls.is_empty() && self.calls == 0 {
            self.http.caught_up(now);
        }
        if status_lanes.is_empty() && self.publisher.is_some() {
            self.amqp.caught_up(now);
        }
        self.start_calls(calls, now);
        self.start_batch(status_lanes, now);
    }

    /// What could be told next. Who waits for an outcome does not wait for the broker too: it may be away for longer than
    /// the command has time.
    fn heads(&self) -> Vec<Head> {
        let queue = self.shared.queue();
        let mut heads = queue.heads();
        if self.amqp.is_in_doubt() {
            heads.extend(queue.outcomes_behind_statuses());
        }
        heads
    }

    fn start_calls(&mut self, mut calls: Vec<(Lane, Arc<Spooled>, Call)>, now: Instant) {
        if self.http.not_before(now).is_some() {
            return;
        }
        // Those that failed before come last, so that one which always fails does not speak for all; else the oldest.
        calls.sort_by_key(|(lane, spooled, _)| {
            (self.troubled.get(lane).map_or(0, Retry::failures), spooled.at)
        });
        let most = if self.http.is_in_doubt() { 1 } else { CALLS };
        for (lane, spooled, what) in calls.into_iter().take(most.saturating_sub(self.calls)) {
            self.shared.queue().begin(&spooled);
            self.busy.insert(lane);
            self.calls += 1;
            let (shared, api) = (Arc::clone(&self.shared), self.api.clone());
            self.under_way.push(Box::pin(call(shared, api, spooled, what)));
        }
    }

    fn start_batch(&mut self, mut lanes: Vec<Lane>, now: Instant) {
        // An outcome may have set out in the meantime.
        lanes.retain(|lane| !self.busy.contains(lane));
        if lanes.is_empty() || self.amqp.not_before(now).is_some() {
            return;
        }
        let Some(publisher) = self.publisher.take() else { return };
        let mut batch = Batch::default();
        let mut queue = self.shared.queue();
        for lane in lanes {
            let room = BATCH.saturating_sub(batch.len());
            batch.add(&self.topology, lane, queue.begin_statuses(lane, room));
            self.busy.insert(lane);
        }
        drop(queue);
        let (shared, topology) = (Arc::clone(&self.shared), self.topology.clone());
        self.under_way.push(Box::pin(publish(shared, publisher, topology, batch)));
    }

    fn not_before(&self, lane: Lane, now: Instant) -> Option<Instant> {
        self.troubled.get(&lane).and_then(|retry| retry.not_before(now))
    }

    /// When to set out again though nothing happens until then.
    fn next_attempt(&self) -> Option<Instant> {
        let now = Instant::now();
        let lanes = self.troubled.values().filter_map(|retry| retry.not_before(now));
        lanes.chain(self.http.not_before(now)).chain(self.amqp.not_before(now)).min()
    }

    fn take_in(&mut self, done: Done) {
        match done {
            Done::Called(called) => self.take_in_call(called),
            Done::Settled(lane) => self.put_back(lane),
            Done::Published(published) => self.take_in_batch(*published),
            Done::HouseKept => self.is_keeping_house = false,
        }
    }

    fn put_back(&mut self, lane: Lane) {
        self.busy.remove(&lane);
        self.shared.queue().put_back(lane);
    }

    fn take_in_call(&mut self, called: Called) {
        let (lane, now) = (called.spooled.lane, Instant::now());
        self.calls -= 1;
        self.put_back(lane);
        match called.result {
            Ok(()) => {
                self.http.delivered(1);
                if self.troubled.remove(&lane).is_some_and(|retry| retry.was_put_off()) {
                    tracing::info!(?lane, "reports of the lane are taken again");
                }
            }
            Err(error) if is_away(&error) => {
                self.http.failed(now, &error);
                self.troubled.entry(lane).or_default().count();
            }
            Err(error) => {
                let retry = self.troubled.entry(lane).or_default();
                if !retry.was_put_off() {
                    let report = called.spooled.report.kind();
                    tracing::warn!(
                        report,
                        ?lane,
                        error = &error as &dyn std::error::Error,
                        "a report is not taken and holds up those behind it; trying again"
                    );
                }
                retry.failed(now);
            }
        }
    }

    fn take_in_batch(&mut self, published: Published) {
        let now = Instant::now();
        for lane in &published.lanes {
            self.put_back(*lane);
        }
        match &published.result {
            Ok(told) => self.amqp.delivered(*told),
            Err(BatchError::Publish(PublishError::Waiting(wait))) => self.amqp.put_off(now, *wait),
            Err(error) => self.amqp.failed(now, error),
        }
        self.publisher = Some(published.publisher);
    }

    fn keep_house(&mut self) {
        if self.is_keeping_house || !self.shared.is_untidy() {
            return;
        }
        self.is_keeping_house = true;
        let shared = Arc::clone(&self.shared);
        self.under_way.push(Box::pin(async move {
            off_the_runtime(move || shared.keep_house()).await;
            Done::HouseKept
        }));
    }

    async fn come_home(mut self) {
        let finish = async {
            while let Some(done) = self.under_way.next().await {
                self.take_in(done);
            }
        };
        if timeout(FAREWELL, finish).await.is_err() {
            tracing::info!("leaving with reports under way; they stay in the spool");
        }
        if let Some(publisher) = self.publisher.take() {
            publisher.close().await;
        }
    }
}

/// Whether an error is about the API as a whole, and not about the one report: then all wait.
fn is_away(error: &ApiError) -> bool {
    match error {
        ApiError::Unreachable(_) => true,
        ApiError::Unavailable { status, .. } => matches!(status, 408 | 429 | 502..=504),
        ApiError::Address { .. } | ApiError::Refused { .. } | ApiError::Unexpected(_) => false,
    }
}
