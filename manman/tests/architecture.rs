//! The direction of dependencies, checked: a room may use only the rooms listed here, and some
//! libraries belong to one room alone. ARCHITECTURE.md gives the reasons.

#![expect(clippy::unwrap_used, reason = "a test that cannot ask cargo fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each room and the rooms it may use.
const ROOMS: [(&str, &[&str]); 12] = [
    // Where a test may kill a process; empty in release builds.
    ("crash-points", &[]),
    ("domain", &[]),
    ("event-store", &["crash-points", "domain"]),
    ("messaging", &["crash-points"]),
    ("service", &[]),
    ("query-api", &["service"]),
    // The v1 surface addresses commands to "the current worker", which is a read.
    ("command-api", &["domain", "event-store", "messaging", "service", "query-api"]),
    ("projectors", &["crash-points", "domain", "event-store", "messaging", "service"]),
    (
        "manman",
        &[
            "command-api",
            "crash-points",
            "domain",
            "event-store",
            "messaging",
            "projectors",
            "query-api",
            "service",
            "worker",
        ],
    ),
    // Runs on game hosts: no database, no domain.
    ("worker", &["messaging", "service"]),
    // Measures through the doors that others use, HTTP first.
    ("bench", &["domain", "event-store", "messaging", "projectors"]),
    // What the agent is shown and tested with: strangers to it, as a game and SteamCMD are.
    ("demo", &[]),
];

/// Libraries that only these rooms may name.
const RESERVED: [(&str, &[&str]); 4] = [
    ("postgres-es", &["event-store", "bench"]),
    ("lapin", &["messaging"]),
    ("axum", &["command-api", "manman", "query-api", "service"]),
    ("clap", &["bench", "manman"]),
];

/// What each room depends on outside its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter();
            let used = used.filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), used.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn rooms_depend_only_downwards() {
    let found = dependencies();
    let rooms: BTreeMap<_, _> = ROOMS.into_iter().collect();
    assert_eq!(
        found.keys().map(String::as_str).collect::<Vec<_>>(),
        rooms.keys().copied().collect::<Vec<_>>()
    );
    for (room, used) in &found {
        let allowed = rooms[room.as_str()];
        for other in used.iter().filter(|name| rooms.contains_key(name.as_str())) {
            assert!(allowed.contains(&other.as_str()), "{room} must not depend on {other}");
        }
    }
}

#[test]
fn reserved_libraries_stay_in_their_rooms() {
    for (room, used) in dependencies() {
        for (library, rooms) in RESERVED {
            let allowed = !used.contains(library) || rooms.contains(&room.as_str());
            assert!(allowed, "{room} must not use {library}: {rooms:?} may");
        }
    }
}
