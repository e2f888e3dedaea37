//! What must hold in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::schedule::{Accepted, Operation};
use super::settled::Config;
use super::trouble::Away;
use crate::support::{Database, Host, Recorded, System, eventually};

const OUTCOMES: [&str; 4] =
    ["RequestFulfilled", "RequestRefused", "RequestFailed", "RequestTimedOut"];

/// How long a console line is worth writing.
const STDIN_DEADLINE: Duration = Duration::from_secs(30);
/// In a calm as long as this what was asked reaches the agent, and what came of it the log: the list of commands without
/// outcome is asked for every 15 s, and a machine that is busy with all this is not quick.
const CALM: Duration = Duration::from_secs(20);

/// A command, and how often it ended how.
pub struct Ended {
    config_id: i32,
    operation: Operation,
    at: Instant,
    outcomes: Vec<Recorded>,
}

impl Ended {
    fn is(&self, outcome: &str) -> bool {
        self.outcomes.iter().any(|event| event.event_type == outcome)
    }
}

/// What became of each accepted command, by the log.
pub async fn outcomes(database: &Database, accepted: &[Accepted]) -> Vec<Ended> {
    let events = database.events("worker").await;
    let request_id = |event: &Recorded| event.payload["request_id"].as_str().map(str::to_owned);
    let mut outcomes: HashMap<String, Vec<Recorded>> = HashMap::new();
    for event in events.iter().filter(|event| OUTCOMES.contains(&event.event_type.as_str())) {
        outcomes.entry(request_id(event).unwrap()).or_default().push(event.clone());
    }
    let requests: HashMap<i64, String> = events
        .iter()
        .filter(|event| event.payload["deadline"].is_string())
        .map(|event| (event.position, request_id(event).unwrap()))
        .collect();
    assert_eq!(requests.len(), accepted.len(), "every accepted command is a request, and no other");
    let ended = |command: &Accepted| Ended {
        config_id: command.config_id,
        operation: command.operation,
        at: command.at,
        outcomes: outcomes.remove(&requests[&command.position]).unwrap_or_default(),
    };
    accepted.iter().map(ended).collect()
}

/// Operations by outcomes, and the reasons.
pub fn table(ended: &[Ended]) -> String {
    let mut text = format!("{:8}", "");
    for outcome in OUTCOMES {
        write!(text, "{:>11}", outcome.trim_start_matches("Request")).unwrap();
    }
    text.push('\n');
    let mut reasons: BTreeMap<(Operation, String), usize> = BTreeMap::new();
    for operation in Operation::ALL {
        write!(text, "{:8}", operation.name()).unwrap();
        let its = || ended.iter().filter(move |it| it.operation == operation);
        for outcome in OUTCOMES {
            write!(text, "{:11}", its().filter(|it| it.is(outcome)).count()).unwrap();
        }
        text.push('\n');
        for event in its().flat_map(|it| &it.outcomes) {
            if let Some(reason) = event.payload["reason"].as_str() {
                let reason = reason.replace(|letter: char| letter.is_ascii_digit(), "");
                *reasons.entry((operation, reason)).or_default() += 1;
            }
        }
    }
    for ((operation, reason), count) in reasons {
        writeln!(text, "{count:6} {}: {reason}", operation.name()).unwrap();
    }
    text
}

/// One that timed out had no chance: something was always away while it was worth carrying out.
pub fn every_command_ended_once(ended: &[Ended], away: &Away) {
    for it in ended {
        let what = format!("{:?} of config {}", it.operation, it.config_id);
        assert_eq!(it.outcomes.len(), 1, "{what}: {:?}", it.outcomes);
        let is_line = matches!(it.operation, Operation::Say | Operation::Crash);
        let had_no_chance = || is_line && away.longest_calm(it.at, it.at + STDIN_DEADLINE) < CALM;
        assert!(!it.is("RequestTimedOut") || had_no_chance(), "{what} timed out");
    }
}

/// No two starts are shown by one instance, and of what is never restarted each instance was asked for by a start.
pub async fn every_instance_was_asked_for(
    database: &Database,
    ended: &[Ended],
    configs: &[Config],
) {
    let mut shown = HashSet::new();
    for start in ended.iter().filter(|it| it.operation == Operation::Start) {
        for event in start.outcomes.iter().filter(|it| it.event_type == "RequestFulfilled") {
            let instance = event.payload["game_server_instance_id"].as_i64();
            assert!(shown.insert(instance.expect("a start is shown by an instance")), "{event:?}");
        }
    }
    let instances = database.instances().await;
    for config in configs.iter().filter(|config| !config.restarts) {
        let begun = instances.iter().filter(|instance| instance.config_id == config.id).count();
        let starts = ended.iter().filter(|it| {
            it.config_id == config.id
                && it.operation == Operation::Start
                && !it.is("RequestRefused")
        });
        assert!(begun <= starts.count(), "{begun} instances of config {}", config.id);
    }
    for instance in &instances {
        let told = instance.told();
        let distinct: BTreeSet<_> = told.iter().map(|told| &told.status).collect();
        assert_eq!(distinct.len(), told.len(), "told twice: {told:?}");
        assert!(told.is_sorted_by(|one, next| one.as_of < next.as_of), "{told:?}");
    }
}

/// Everywhere, also of configs nobody asked about.
pub async fn what_runs_is_open_and_nothing_else(system: &System, host: &Mutex<Host>) {
    let query =
        "SELECT coalesce(status, '') || ' ' || game_server_config_id || ' ' || coalesce(pid, 0)
                   FROM read_models.game_server_instances
                  WHERE end_date IS NULL OR status NOT IN ('COMPLETE', 'CRASHED')
                  ORDER BY game_server_config_id";
    eventually("what is open is what runs", async || {
        let open: Vec<String> = system.database.values(query).await;
        let running = host.lock().unwrap().running();
        let running = running.iter().map(|it| format!("RUNNING {} {}", it.config_id, it.pid));
        running.eq(open)
    })
    .await;
}

/// As far as output is kept.
pub fn no_line_was_written_twice(host: &Mutex<Host>) {
    let mut lines = HashSet::new();
    for line in host.lock().unwrap().chats() {
        assert!(!lines.contains(&line), "{line}");
        lines.insert(line);
    }
}
