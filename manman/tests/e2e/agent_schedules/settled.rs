//! Waiting until what is shown of a config is what runs of it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::FromRow;

use super::schedule::{Accepted, Operation};
use crate::support::{Host, System};

/// How long it may take while agent and broker die again and again: a command that was lost with a queue is found in the
/// log within seconds, once an agent lives that long.
const PATIENCE: Duration = Duration::from_secs(150);
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// A config that is played with.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    pub id: i32,
    /// Whether its policy starts it again after a crash.
    pub restarts: bool,
}

/// A command, as everybody can see it.
#[derive(Debug, FromRow)]
#[expect(dead_code, reason = "shown when a test fails")]
struct Shown {
    asked_at: i64,
    outcome: String,
    reason: Option<String>,
    game_server_instance_id: Option<i32>,
}

/// An instance, as everybody can see it.
#[derive(Debug, FromRow)]
struct Instance {
    game_server_instance_id: i32,
    is_open: bool,
    status: Option<String>,
    pid: Option<i32>,
}

impl Instance {
    fn is_over(&self) -> bool {
        !self.is_open
            && self.status.as_deref().is_some_and(|it| ["COMPLETE", "CRASHED"].contains(&it))
    }
}

impl Config {
    /// Waits until all of these that are of this config have an outcome, and what is shown is what runs.
    pub async fn settles(&self, system: &System, host: &Mutex<Host>, accepted: &[Accepted]) {
        let own = accepted.iter().filter(|accepted| accepted.config_id == self.id).copied();
        let (own, deadline) = (own.collect::<Vec<_>>(), Instant::now() + PATIENCE);
        while let Err(problem) = self.is_settled(system, host, &own).await {
            if Instant::now() > deadline {
                let history = system.database.instances().await;
                let last = history.iter().rfind(|instance| instance.config_id == self.id);
                panic!("config {}: {problem}; asked: {own:?}; last: {last:#?}", self.id);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn is_settled(
        &self,
        system: &System,
        host: &Mutex<Host>,
        accepted: &[Accepted],
    ) -> Result<(), String> {
        let shown = self.commands(system, accepted).await;
        if shown.len() < accepted.len() || shown.iter().any(|it| it.outcome == "pending") {
            return Err(format!("commands are pending: {shown:?}"));
        }
        let instances = self.instances(system).await;
        let running = host.lock().unwrap().pids_of(self.id);
        for (asked, crash) in accepted.iter().zip(&shown) {
            let its =
                |it: &&Instance| Some(it.game_server_instance_id) == crash.game_server_instance_id;
            let has_crashed = instances.iter().find(its).is_none_or(Instance::is_over);
            if asked.operation == Operation::Crash && crash.outcome == "fulfilled" && !has_crashed {
                return Err(format!("{crash:?} does not show: {instances:?}"));
            }
        }
        is_what_runs(&instances, &running)?;
        self.is_what_was_asked_for(accepted, &shown, &running)
    }

    /// In the order in which they were asked.
    async fn commands(&self, system: &System, accepted: &[Accepted]) -> Vec<Shown> {
        let query = "SELECT e.position AS asked_at, r.outcome, r.reason, r.game_server_instance_id
                       FROM events e
                       JOIN read_models.worker_requests r ON r.request_event_id = e.event_id
                      WHERE e.position = ANY($1) ORDER BY e.position";
        let positions: Vec<_> = accepted.iter().map(|accepted| accepted.position).collect();
        sqlx::query_as(query).bind(positions).fetch_all(&system.database.pool).await.unwrap()
    }

    async fn instances(&self, system: &System) -> Vec<Instance> {
        let query = "SELECT game_server_instance_id, end_date IS NULL AS is_open, status, pid
                       FROM read_models.game_server_instances
                      WHERE game_server_config_id = $1 ORDER BY game_server_instance_id";
        sqlx::query_as(query).bind(self.id).fetch_all(&system.database.pool).await.unwrap()
    }

    /// After a stop nothing runs; after a start, and no crash since, it does.
    fn is_what_was_asked_for(
        &self,
        accepted: &[Accepted],
        shown: &[Shown],
        running: &[i32],
    ) -> Result<(), String> {
        let is_last = |it: &&(&Accepted, &Shown)| {
            matches!(it.0.operation, Operation::Start | Operation::Stop)
        };
        let commands: Vec<_> = accepted.iter().zip(shown).collect();
        let Some((last, outcome)) = commands.iter().rfind(is_last) else { return Ok(()) };
        let crashes = accepted
            .iter()
            .any(|it| it.operation == Operation::Crash && it.position > last.position);
        let is_right = match last.operation {
            Operation::Stop => running.is_empty(),
            _ => outcome.outcome != "fulfilled" || crashes || running.len() == 1,
        };
        if is_right { Ok(()) } else { Err(format!("{running:?} run after {commands:?}")) }
    }
}

/// A process with this id runs if and only if an instance is open, RUNNING with this id.
fn is_what_runs(instances: &[Instance], running: &[i32]) -> Result<(), String> {
    let (over, others): (Vec<_>, Vec<_>) = instances.iter().partition(|it| it.is_over());
    let shown: Vec<_> =
        others.iter().filter(|it| it.is_open && it.status.as_deref() == Some("RUNNING")).collect();
    let pids: Vec<_> = shown.iter().filter_map(|it| it.pid).collect();
    if shown.len() == others.len() && pids == running {
        return Ok(());
    }
    Err(format!("{running:?} run; shown: {others:?}, and {} that are over", over.len()))
}
