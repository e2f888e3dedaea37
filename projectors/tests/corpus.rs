//! Every event the log may hold, in every version there ever was, is shown by the projections of today.
//!
//! That each event type of the domain has a sample of what is written now is held where the samples are: by
//! `every_event_is_stored_as_its_sample_says` in the tests of each aggregate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use event_store::{Actor, CommandContext, Commit, Metadata, NewEvent};
use projectors::{PROJECTIONS, TableComparison, verify};
use serde_json::Value;
use support::{System, with_system};
use uuid::Uuid;

/// The folders of the samples: every aggregate type.
const AGGREGATES: [&str; 6] = [
    "dead_letter",
    "game_server",
    "game_server_config",
    "game_server_instance",
    "subscription",
    "worker",
];

/// The tables of entities, whose they are, and how many the seed has of them.
const ENTITIES: [(&str, &str, usize); 4] = [
    ("workers", "worker", 0),
    ("game_server_instances", "game_server_instance", 0),
    ("game_servers", "game_server", 3),
    ("game_server_configs", "game_server_config", 2),
];

/// A stored event, as it is kept among the samples.
#[derive(Clone)]
struct Sample {
    aggregate_type: &'static str,
    event_type: String,
    event_version: String,
    payload: Value,
}

fn samples() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/samples");
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(
        names(&folder),
        AGGREGATES.map(str::to_owned).into(),
        "every aggregate is known here"
    );
    let mut samples = Vec::new();
    for aggregate_type in AGGREGATES {
        for file in names(&folder.join(aggregate_type)) {
            let name = file.strip_suffix(".jsonl").unwrap();
            let (event_type, event_version) = name.split_once('.').unwrap();
            for line in fs::read_to_string(folder.join(aggregate_type).join(&file)).unwrap().lines()
            {
                samples.push(Sample {
                    aggregate_type,
                    event_type: event_type.to_owned(),
                    event_version: event_version.to_owned(),
                    payload: serde_json::from_str(line).unwrap(),
                });
            }
        }
    }
    samples
}

/// What must have happened for an event to make sense; its own type follows.
fn before(sample: &Sample) -> &'static [&'static str] {
    match (sample.aggregate_type, sample.event_type.as_str()) {
        (_, "WorkerRegistered" | "InstanceCreated" | "GameServerAdded" | "GameServerConfigAdded")
        // Of what is about events and messages, nothing has to be born.
        | ("subscription" | "dead_letter", _) => &[],
        (_, "WorkerRecovered") => &["WorkerRegistered", "WorkerLost"],
        (_, "WorkerStatusConcluded") => &["WorkerRegistered", "WorkerClosed"],
        (_, "RequestFulfilled" | "RequestRefused" | "RequestFailed" | "RequestTimedOut") => {
            &["WorkerRegistered", "StartRequested"]
        }
        (_, "InstanceRecovered") => &["InstanceCreated", "InstanceLost"],
        (_, "InstanceStatusConcluded") => &["InstanceCreated", "InstanceClosed"],
        (_, "GameServerCommandDefaultAdded") => &["GameServerAdded", "GameServerCommandAdded"],
        ("worker", _) => &["WorkerRegistered"],
        ("game_server_instance", _) => &["InstanceCreated"],
        ("game_server", _) => &["GameServerAdded"],
        ("game_server_config", _) => &["GameServerConfigAdded"],
        (aggregate_type, _) => panic!("nothing is known of how a {aggregate_type} begins"),
    }
}

/// Each sample with what must have happened before it.
fn stories(samples: &[Sample]) -> Vec<Vec<Sample>> {
    // Of several versions and shapes, the last one: the newest.
    let newest: BTreeMap<_, _> =
        samples.iter().map(|sample| (sample.event_type.as_str(), sample)).collect();
    let story = |sample: &Sample| {
        let earlier = before(sample).iter().map(|event_type| newest[event_type].clone());
        earlier.chain([sample.clone()]).collect()
    };
    samples.iter().map(story).collect()
}

/// Gives what a story is about ids that no other story has, in its payloads as in the name of its stream.
fn renumber(value: &mut Value, story: usize) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        match value {
            Value::Number(id) if name.ends_with("_id") => {
                *value = (id.as_i64().unwrap() + 1_000 * story as i64).into();
            }
            Value::String(id) if name == "request_id" => {
                *id = Uuid::from_u128(story as u128).to_string();
            }
            other => renumber(other, story),
        }
    }
}

/// Puts a story on the log.
async fn record(system: &System, number: usize, story: Vec<Sample>) {
    let CommandContext { actor, command_id, .. } =
        CommandContext::new(Actor::system("corpus"), Uuid::now_v7());
    let metadata = Metadata {
        actor_kind: actor.kind,
        actor_id: actor.id,
        correlation_id: command_id,
        causation_id: None,
        command_id,
        reason: None,
    };
    let aggregate_type = story[0].aggregate_type;
    let id_of_first =
        |payload: &Value| payload[&story[0].event_type][format!("{aggregate_type}_id")].clone();
    let mut events = Vec::new();
    let mut aggregate_id = String::new();
    for (sequence, sample) in (1..).zip(&story) {
        let mut payload = sample.payload.clone();
        renumber(&mut payload, number);
        if sequence == 1 {
            aggregate_id = match id_of_first(&payload) {
                Value::Null => format!("corpus-{number}"),
                id => id.to_string(),
            };
        }
        events.push(NewEvent {
            event_id: Uuid::now_v7(),
            aggregate_type,
            aggregate_id: aggregate_id.clone(),
            sequence,
            event_type: sample.event_type.clone(),
            event_version: sample.event_version.clone(),
            payload: payload.to_string(),
        });
    }
    let commit = Commit { events, claims: Vec::new(), metadata, answer: None };
    system.store.log.append(commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_in_every_version_is_projected_and_none_is_refused() {
    with_system(|system| async move {
        let samples = samples();
        let stories = stories(&samples);
        let mut born = BTreeMap::new();
        for (number, story) in (1..).zip(stories) {
            *born.entry(story[0].aggregate_type).or_insert(0) += 1;
            record(&system, number, story).await;
        }
        system.project().await;

        let parked: Vec<(String, String, Option<String>)> =
            sqlx::query_as("SELECT subscription, event_type, error FROM parked_events")
                .fetch_all(&system.pool)
                .await
                .unwrap();
        assert_eq!(parked, [], "of {} samples", samples.len());
        for (table, aggregate_type, seeded) in ENTITIES {
            let rows = system.rows(table).await.len();
            assert_eq!(rows, born[aggregate_type] + seeded, "each story has its row in {table}");
        }
        // A rebuild reads them in its own way.
        let rebuilt = verify(&system.pool, &PROJECTIONS, &mut |_| ()).await.unwrap();
        assert!(rebuilt.iter().all(TableComparison::is_equal), "{rebuilt:?}");
    })
    .await;
}
