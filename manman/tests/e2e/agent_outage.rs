//! Broker and APIs away while game servers start, crash and stop by themselves: afterwards history has all of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::support::{Host, Instance, PROCESSES, System, Told, add_local, eventually};

/// How many seconds everything is away.
const SECONDS: &str = "MANMAN_TEST_OUTAGE_SECONDS";
const USUAL_SECONDS: u64 = 10;

/// Keeps its own book: `GAME BOOK SECONDS exit CODE` lives that long and exits, `… kill SIGNAL` is killed instead.
const GAME: &str = r#"#!/bin/sh
echo "start $$ - -" >>"$1"
sleep "$2"
echo "end $$ $3 $4" >>"$1"
[ "$3" = exit ] && exit "$4"
kill "-$4" $$
"#;

/// For as long as anything here takes.
const FOREVER: &str = "86400";

/// A config, and the book that its game keeps.
struct Game {
    config_id: i32,
    book: PathBuf,
}

/// A run, by the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    pid: i32,
    /// None for one that did not write it down, because it was stopped.
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Exit(i32),
    Signal(i32),
}

#[tokio::test(flavor = "multi_thread")]
async fn what_game_servers_did_while_broker_and_apis_were_away_is_told_once_and_in_order() {
    let mut system = System::start().await;
    let host = Host::start(&system, "outage").await;
    let steady = [
        Game::start(&system, &host, "steady", [FOREVER, "exit", "0"], "never").await,
        Game::start(&system, &host, "patient", [FOREVER, "exit", "0"], "always").await,
    ];
    let restless = [
        Game::start(&system, &host, "crasher", ["0.3", "exit", "3"], "on_failure").await,
        Game::start(&system, &host, "killed", ["0.5", "kill", "9"], "on_failure").await,
        Game::start(&system, &host, "leaver", ["0.7", "exit", "0"], "always").await,
        Game::start(&system, &host, "hasty", ["0", "exit", "1"], "always").await,
    ];
    let mortal = [
        Game::start(&system, &host, "mortal", ["6", "exit", "0"], "on_failure").await,
        Game::start(&system, &host, "murdered", ["5", "kill", "11"], "never").await,
    ];
    no_command_is_pending(&system, &host).await;
    let pids = steady.each_ref().map(|game| host.pids_of(game.config_id));
    assert!(pids.iter().all(|pids| pids.len() == 1), "{pids:?}");

    everything_goes_away(&mut system).await;
    let before = restless.each_ref().map(|game| game.runs().len());
    tokio::time::sleep(outage()).await;
    eventually("all that is to happen by itself has happened", async || {
        let restarted = |(game, before): (&Game, usize)| game.runs().len() > before + 2;
        restless.iter().zip(before).all(restarted)
            && mortal.iter().all(|game| game.runs()[0].end.is_some())
    })
    .await;
    let meanwhile: usize =
        restless.iter().zip(before).map(|(game, before)| game.runs().len() - before).sum();
    everything_comes_back(&mut system).await;

    eventually("the worker is shown as it is", async || {
        let path = format!("/v1/workers/{}", host.worker_id().unwrap());
        system.status.get(&path).await.ok()["status"] == "RUNNING"
    })
    .await;
    assert_eq!(steady.each_ref().map(|game| host.pids_of(game.config_id)), pids);
    for game in restless.iter().chain(&steady) {
        system.experience.post(&format!("/gameserver/{}/stop", game.config_id)).await.ok();
    }
    no_command_is_pending(&system, &host).await;
    assert_eq!(host.running(), []);
    eventually("everything is told", async || host.untold().is_empty()).await;
    eventually("everything is on the log", async || {
        system.database.instances().await.iter().all(is_over)
    })
    .await;

    let told = system.database.instances().await;
    for game in steady.iter().chain(&restless).chain(&mortal) {
        game.is_told_by(told.iter().filter(|instance| instance.config_id == game.config_id));
    }
    let lost = "SELECT count(*) FROM events WHERE event_type IN ('WorkerLost', 'InstanceLost')";
    assert_eq!(system.database.value::<i64>(lost).await, 0, "nobody was silent, we were deaf");
    println!("{meanwhile} runs began while all was away, {} in all", told.len());
}

fn outage() -> Duration {
    let seconds = std::env::var(SECONDS).map(|seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or(USUAL_SECONDS))
}

async fn everything_goes_away(system: &mut System) {
    for name in PROCESSES {
        let program = system.take_process(name);
        program.signal("KILL").await;
        program.ends().await;
    }
    system.broker.kill9().await;
}

async fn everything_comes_back(system: &mut System) {
    system.broker.start_again().await;
    for name in PROCESSES {
        system.start_process(name);
    }
    system.is_ready().await;
}

async fn no_command_is_pending(system: &System, host: &Host) {
    let path = format!("/v1/workers/{}/commands?outcome=pending", host.worker_id().unwrap());
    eventually("every command has an outcome", async || {
        system.status.get(&path).await.ok()["commands"] == json!([])
    })
    .await;
}

/// Whether the end of an instance is on the log.
fn is_over(instance: &Instance) -> bool {
    let told = instance.told();
    told.last().is_some_and(|last| ["COMPLETE", "CRASHED"].contains(&last.status.as_str()))
}

impl Game {
    /// Adds a config and has it started.
    async fn start(
        system: &System,
        host: &Host,
        name: &str,
        life: [&str; 3],
        restart: &str,
    ) -> Self {
        let book = host.directory.join(name);
        let [seconds, end, number] = life;
        let args = [book.to_str().unwrap(), seconds, end, number];
        // In a window of a second no restart counts, so that none is put off for longer than that.
        let supervision =
            json!({"restart": restart, "restart_limit": 1000, "restart_window_seconds": 1});
        let executable = program(&host.directory);
        let config_id = add_local(&system.experience, name, &executable, &args, supervision).await;
        system.experience.post(&format!("/gameserver/{config_id}/start")).await.ok();
        let game = Self { config_id, book };
        eventually(&format!("{name} runs"), async || !game.runs().is_empty()).await;
        game
    }

    /// What happened, by the book.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for line in fs::read_to_string(&self.book).unwrap_or_default().lines() {
            let [what, pid, how, number] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let pid = pid.parse().unwrap();
            match (what, how) {
                ("start", _) => runs.push(Run { pid, end: None }),
                ("end", how) => {
                    let number = number.parse().unwrap();
                    let end = if how == "exit" { End::Exit(number) } else { End::Signal(number) };
                    let last = runs.last_mut().filter(|last| last.pid == pid).expect(line);
                    last.end = Some(end);
                }
                _ => panic!("{line}"),
            }
        }
        runs
    }

    /// One instance for each run, and in it what the book says.
    fn is_told_by<'a>(&self, instances: impl Iterator<Item = &'a Instance>) {
        let (runs, instances) = (self.runs(), instances.collect::<Vec<_>>());
        let mut last_as_of = None;
        for (place, (run, instance)) in runs.iter().zip(&instances).enumerate() {
            let (told, is_last) = (instance.told(), place + 1 == runs.len());
            run.is_told_by(&told, is_last);
            assert_eq!(instance.count("InstanceClosed"), 1, "{instance:?}");
            assert!(told.iter().all(|told| told.standing == "current"), "{told:?}");
            for told in &told {
                assert!(Some(told.as_of) > last_as_of, "{} of {run:?}", told.status);
                last_as_of = Some(told.as_of);
            }
        }
        // One that was stopped before it could open its book is an instance of which the book knows nothing.
        let unwritten = &instances[runs.len().min(instances.len())..];
        let never_wrote =
            |told: Vec<Told>| told.last().is_some_and(|last| last.status == "COMPLETE");
        assert!(instances.len() >= runs.len(), "{} runs: {instances:?}", runs.len());
        assert!(unwritten.len() <= 1, "{} runs: {instances:?}", runs.len());
        assert!(unwritten.iter().all(|instance| never_wrote(instance.told())), "{unwritten:?}");
    }
}

impl Run {
    /// The last run of a game may have been stopped, even right after it wrote down how it ends.
    fn is_told_by(&self, told: &[Told], is_last: bool) {
        let statuses: Vec<_> = told.iter().map(|told| told.status.as_str()).collect();
        let was_stopped = is_last && statuses.last() == Some(&"COMPLETE");
        let end = if was_stopped { "COMPLETE" } else { "CRASHED" };
        assert_eq!(statuses, ["CREATED", "INITIALIZING", "RUNNING", end], "{self:?}");
        let detail = |place: usize| told[place].detail.as_ref().expect("a detail");
        assert_eq!(detail(2).pid, Some(self.pid));
        let (exit_code, signal) = match self.end {
            Some(End::Exit(code)) => (Some(code), None),
            Some(End::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        if was_stopped {
            return;
        }
        assert_eq!((detail(3).exit_code, detail(3).signal), (exit_code, signal), "{self:?}");
    }
}

/// The game, as a file that can be executed.
fn program(directory: &Path) -> PathBuf {
    let path = directory.join("game");
    if !path.exists() {
        fs::write(&path, GAME).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    path
}
