//! Everything that the relay tells the world, as a subscriber of all of it gets it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::task::JoinSet;

use super::ledger::Ledger;
use crate::support::{Broker, Inbox, eventually};

/// A message, and the round in which it came.
#[derive(Debug, Clone)]
pub struct Heard {
    pub message_id: String,
    pub round: usize,
    /// Of a domain event; external statuses have none.
    pub position: Option<i64>,
}

/// Subscribers of both exchanges that are for others.
pub struct Subscribers {
    events: Arc<Mutex<Vec<Heard>>>,
    statuses: Arc<Mutex<Vec<Heard>>>,
    tasks: JoinSet<()>,
}

impl Subscribers {
    pub async fn subscribe(broker: &Broker, ledger: &Arc<Ledger>) -> Self {
        let (events, statuses) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        for (exchange, heard) in
            [("manman.events", &events), ("external_service_events", &statuses)]
        {
            let queue = format!("all-of-{exchange}");
            let inbox = Inbox::open(broker, &queue, false, &[(exchange, "#")]).await;
            tasks.spawn(listen(inbox, Arc::clone(heard), Arc::clone(ledger)));
        }
        Self { events, statuses, tasks }
    }

    /// Waits for the event at this position and for what goes out with it; returns all events and all statuses, in
    /// the order in which they came.
    pub async fn finish(
        mut self,
        head: i64,
        last_status: Option<&str>,
    ) -> (Vec<Heard>, Vec<Heard>) {
        let came = |heard: &Mutex<Vec<Heard>>, is_it: &dyn Fn(&Heard) -> bool| {
            heard.lock().unwrap().iter().any(is_it)
        };
        eventually(&format!("event {head} is told"), async || {
            assert!(self.tasks.try_join_next().is_none(), "a subscriber gave up");
            came(&self.events, &|heard| heard.position == Some(head))
                && last_status
                    .is_none_or(|id| came(&self.statuses, &|heard| heard.message_id == id))
        })
        .await;
        let all = |heard: &Mutex<Vec<Heard>>| heard.lock().unwrap().clone();
        (all(&self.events), all(&self.statuses))
    }
}

async fn listen(mut inbox: Inbox, heard: Arc<Mutex<Vec<Heard>>>, ledger: Arc<Ledger>) {
    while let Some(message) = inbox.try_next().await {
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let message_id = message.message_id.unwrap();
        if body["event_id"].is_string() {
            assert_eq!(body["event_id"], message_id);
        }
        let position = body["position"].as_i64();
        heard.lock().unwrap().push(Heard { message_id, round: ledger.round(), position });
    }
}

/// Every event from the first heard one to the last was told, under one id, however often, and none before another one
/// that is earlier on the log. Returns which message was told at which position.
pub fn without_gaps(events: &[Heard], head: i64) -> BTreeMap<i64, String> {
    let mut told = BTreeMap::new();
    let mut next = events[0].position.unwrap();
    for heard in events {
        let position = heard.position.unwrap();
        assert!(position <= next, "{position} was told before {next}");
        next = next.max(position + 1);
        let before = told.insert(position, heard.message_id.clone());
        assert!(before.is_none_or(|before| before == heard.message_id), "{heard:?}");
    }
    assert!(next > head, "the last is {next} and not {head}");
    let ids: HashSet<_> = told.values().collect();
    assert_eq!(ids.len(), told.len(), "two events with one message id");
    told
}
