//! What must hold in the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::ledger::Acknowledged;
use super::messages::Heard;
use crate::support::{Database, Host};

const OUTCOMES: [&str; 4] =
    ["RequestFulfilled", "RequestRefused", "RequestFailed", "RequestTimedOut"];

/// An event, and on whose behalf it is there.
#[derive(Debug, FromRow)]
pub struct Event {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_id: String,
    pub event_type: String,
    pub command_id: Uuid,
    pub reason: Option<String>,
    pub recorded_at: DateTime<Utc>,
    /// Of a reported status.
    pub standing: Option<String>,
    /// Of a request to a worker and of its outcome.
    pub request_id: Option<Uuid>,
}

/// The log, in its order.
pub async fn log(database: &Database) -> Vec<Event> {
    let query = "SELECT position, event_id, aggregate_id, event_type,
                        (metadata ->> 'command_id')::uuid AS command_id, metadata ->> 'reason' AS reason, recorded_at,
                        payload -> event_type ->> 'standing' AS standing,
                        (payload -> event_type ->> 'request_id')::uuid AS request_id
                   FROM events ORDER BY position";
    sqlx::query_as(query).fetch_all(&database.pool).await.unwrap()
}

/// As one command with one event of its kind, where the answer says. Returns when each was stored, by its key.
pub fn every_acknowledged_command_is_stored_once(
    log: &[Event],
    acknowledged: &[Acknowledged],
) -> HashMap<String, DateTime<Utc>> {
    let mut stored: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in log {
        if let Some(reason) = &event.reason {
            stored.entry(reason).or_default().push(event);
        }
    }
    let mut stored_at = HashMap::new();
    for command in acknowledged {
        let Acknowledged { key, becomes, position, .. } = command;
        let events = stored.get(key.as_str()).unwrap_or_else(|| panic!("{key} is not stored"));
        let of_its_kind = events.iter().filter(|event| event.event_type == *becomes);
        assert_eq!(of_its_kind.count(), 1, "{key}: {events:?}");
        let commands: HashSet<_> = events.iter().map(|event| event.command_id).collect();
        assert_eq!(commands.len(), 1, "{key}: {events:?}");
        let last = events.last().unwrap();
        assert_eq!(last.position, *position, "{key}, by the answer: {events:?}");
        stored_at.insert(key.clone(), last.recorded_at);
    }
    assert_eq!(stored_at.len(), acknowledged.len(), "each has a key of its own");
    stored_at
}

/// A report names its message in place of a command.
pub fn every_confirmed_report_is_stored_once(log: &[Event], reports: &[Uuid]) {
    let mut stored: HashMap<Uuid, usize> = HashMap::new();
    for event in log.iter().filter(|event| event.event_type == "InstanceStatusReported") {
        *stored.entry(event.command_id).or_default() += 1;
    }
    for report in reports {
        assert_eq!(stored.get(report), Some(&1), "report {report}");
    }
}

/// What was told of each position is the event that stands there, and each status that is shown was told as well.
pub fn what_was_told_is_what_happened(
    log: &[Event],
    told: &BTreeMap<i64, String>,
    statuses: &[Heard],
) {
    let statuses: HashSet<_> = statuses.iter().map(|heard| heard.message_id.as_str()).collect();
    let (first, last) = (*told.keys().next().unwrap(), *told.keys().next_back().unwrap());
    for event in log.iter().filter(|event| (first..=last).contains(&event.position)) {
        let id = event.event_id.to_string();
        assert_eq!(told[&event.position], id);
        let is_shown = event.standing.as_deref() == Some("current");
        assert!(!is_shown || statuses.contains(id.as_str()), "{event:?} was not told");
    }
}

/// Each start reached the worker, in the order of the log, and it ran one instance for each.
pub fn every_start_was_carried_out_once(log: &[Event], worker: i32, received: &[String]) {
    let worker = worker.to_string();
    let starts = log
        .iter()
        .filter(|event| event.event_type == "StartRequested" && event.aggregate_id == worker);
    let starts: Vec<_> = starts.map(|event| event.event_id.to_string()).collect();
    let mut known = HashSet::new();
    let firsts: Vec<_> = received.iter().filter(|id| known.insert(id.as_str())).cloned().collect();
    assert!(firsts == starts, "the worker got its starts in another order, or not all");
    let instances = log.iter().filter(|event| {
        event.event_type == "InstanceCreated"
            && event.reason.as_ref().is_some_and(|reason| reason.starts_with("create-"))
    });
    assert_eq!(instances.count(), starts.len());
}

/// Nothing is accepted and forgotten, and nothing ends twice. Returns how often requests of this kind ended how.
pub fn every_request_ended_once<'l>(log: &'l [Event], kind: &str) -> BTreeMap<&'l str, usize> {
    let mut ends: HashMap<Uuid, Vec<&str>> = HashMap::new();
    for event in log.iter().filter(|event| OUTCOMES.contains(&event.event_type.as_str())) {
        ends.entry(event.request_id.unwrap()).or_default().push(&event.event_type);
    }
    let mut outcomes = BTreeMap::new();
    for request in log.iter().filter(|event| event.event_type == kind) {
        let its = ends.remove(&request.request_id.unwrap()).unwrap_or_default();
        assert_eq!(its.len(), 1, "{request:?}: {its:?}");
        *outcomes.entry(its[0]).or_default() += 1;
    }
    outcomes
}

/// A line that was told as written is on the console once, any other at most once: one that was not worth writing any
/// more when it arrived is none.
pub fn no_line_was_written_twice(log: &[Event], host: &Host) {
    let mut lines: HashMap<String, usize> = HashMap::new();
    for line in host.chats() {
        let key = line.split_whitespace().last().unwrap().to_owned();
        *lines.entry(key).or_default() += 1;
    }
    let fulfilled: HashSet<_> = log
        .iter()
        .filter(|event| event.event_type == "RequestFulfilled")
        .filter_map(|event| event.request_id)
        .collect();
    for line in log.iter().filter(|event| event.event_type == "StdinSent") {
        let key = line.reason.as_deref().unwrap();
        let written = lines.get(key).copied().unwrap_or_default();
        assert!(written <= 1, "{key} was written {written} times");
        let is_told = fulfilled.contains(&line.request_id.unwrap());
        assert!(written == 1 || !is_told, "{key} was told as written");
    }
}
