//! Random schedules of starts, stops, crashes and console lines, while agent and broker are killed again and again:
//! every command ends, and what is shown is what runs.
//!
//! ```text
//! schedule    what users do
//! trouble     what dies meanwhile
//! settled     waiting until what is shown is what runs
//! verdict     what must hold in the end
//! ```

mod schedule;
mod settled;
mod trouble;
mod verdict;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::schedule::{Accepted, Schedule};
use self::settled::Config;
use self::trouble::Trouble;
use crate::support::{Host, Random, SEED, System, add_local, demo, eventually, seed, setting};

/// How many schedules are played.
const SCHEDULES: &str = "MANMAN_TEST_SCHEDULES";
const USUAL_SCHEDULES: usize = 200;

/// How many configs are played with side by side.
const CONFIGS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn every_command_ends_and_what_is_shown_is_what_runs_whatever_dies_meanwhile() {
    let seed = seed();
    let schedules =
        setting(SCHEDULES).map_or(USUAL_SCHEDULES, |count| usize::try_from(count).unwrap());
    println!("{schedules} schedules, {SEED}={seed}");
    let stage = Stage::set(seed).await;
    let began = Instant::now();

    let looked_enough = CancellationToken::new();
    let host = Arc::clone(&stage.host);
    let looking = tokio::spawn(trouble::look_for_pairs(host, looked_enough.clone()));
    let trouble = Trouble::begin(&stage);
    let accepted = stage.play(schedules).await;
    let away = trouble.ends().await;
    let took = began.elapsed().as_secs();
    stage.settles(&accepted).await;
    looked_enough.cancel();
    let (looks, pairs) = looking.await.unwrap();

    let Stage { system, host, configs, .. } = stage;
    let outcomes = verdict::outcomes(&system.database, &accepted).await;
    let commands = accepted.len();
    let refusals: usize = accepted.iter().map(|accepted| accepted.refusals).sum();
    println!(
        "{schedules} schedules with {commands} commands in {took} s ({refusals} came at a bad moment and again)"
    );
    println!("{away}; looked for pairs {looks} times");
    println!("{}", verdict::table(&outcomes));
    assert!(pairs.is_empty(), "two of one config at once: {pairs:?}");
    verdict::every_command_ended_once(&outcomes, &away);
    verdict::every_instance_was_asked_for(&system.database, &outcomes, &configs).await;
    verdict::what_runs_is_open_and_nothing_else(&system, &host).await;
    verdict::no_line_was_written_twice(&host);

    let Ok(system) = Arc::try_unwrap(system) else { panic!("somebody plays still") };
    let (_broker, database) = system.stop().await;
    database.rebuilt_equals_live().await;
}

/// Where schedules are played.
struct Stage {
    system: Arc<System>,
    host: Arc<Mutex<Host>>,
    configs: Vec<Config>,
    seed: u64,
}

impl Stage {
    async fn set(seed: u64) -> Self {
        let system = Arc::new(System::start().await);
        let host = Arc::new(Mutex::new(Host::start(&system, "schedules").await));
        let configs = add_configs(&system).await;
        Self { system, host, configs, seed }
    }

    /// Plays so many schedules on all configs, side by side.
    async fn play(&self, schedules: usize) -> Vec<Accepted> {
        let left = Arc::new(AtomicUsize::new(schedules));
        let mut players = JoinSet::new();
        for config in &self.configs {
            let (system, host) = (Arc::clone(&self.system), Arc::clone(&self.host));
            let random = Random(self.seed.wrapping_add(u64::try_from(config.id).unwrap() << 32));
            players.spawn(play(system, host, *config, random, Arc::clone(&left)));
        }
        let mut accepted = Vec::new();
        while let Some(played) = players.join_next().await {
            accepted.extend(played.unwrap());
        }
        accepted
    }

    /// Waits until everything has come to rest.
    async fn settles(&self, accepted: &[Accepted]) {
        eventually("nothing is left to tell", async || {
            self.host.lock().unwrap().untold().is_empty()
        })
        .await;
        for config in &self.configs {
            config.settles(&self.system, &self.host, accepted).await;
        }
    }
}

/// Most are never started again by themselves: only of those can be said what must run in the end.
async fn add_configs(system: &System) -> Vec<Config> {
    let mut configs = Vec::new();
    for number in 0..CONFIGS {
        let (policy, stop_line) = match number % 5 {
            0 => ("always", Value::Null),
            1 => ("on_failure", json!("quit")),
            2 => ("never", json!("quit")),
            _ => ("never", Value::Null),
        };
        let supervision = json!({
            "restart": policy, "restart_limit": 1000, "restart_window_seconds": 1, "stop_line": stop_line,
        });
        let (name, executable) = (format!("game-{number}"), demo("demo-server"));
        let args = ["--tick", "0"];
        let id = add_local(&system.experience, &name, &executable, &args, supervision).await;
        configs.push(Config { id, restarts: policy != "never" });
    }
    configs
}

/// Plays schedules on one config until all are played. After some of them it must settle, whatever dies meanwhile.
async fn play(
    system: Arc<System>,
    host: Arc<Mutex<Host>>,
    config: Config,
    mut random: Random,
    left: Arc<AtomicUsize>,
) -> Vec<Accepted> {
    let (mut accepted, mut settled) = (Vec::new(), 0);
    let take_one = |left| usize::checked_sub(left, 1);
    while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one).is_ok() {
        let schedule = Schedule::any(&mut random);
        accepted.extend(schedule.play(&system.experience, config.id).await);
        if random.below(3) == 0 {
            config.settles(&system, &host, &accepted[settled..]).await;
            settled = accepted.len();
        }
    }
    accepted
}
