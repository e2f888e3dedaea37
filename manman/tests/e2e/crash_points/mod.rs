//! Processes that are killed between two steps of which people tend to believe that nothing comes between them, again
//! and again, while others use them.
//!
//! ```text
//! rounds      who dies where
//! clients     users who ask, and repeat what was not acknowledged
//! worker      a v1 worker that does what it is told
//! ledger      what was acknowledged
//! messages    what was told to the world
//! verdict     what must hold in the end
//! table       points by outcomes
//! ```

mod clients;
mod ledger;
mod messages;
mod rounds;
mod table;
mod verdict;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use crash_points::{Point, VARIABLE};
use serde_json::json;

use self::clients::{Clients, Console};
use self::ledger::Ledger;
use self::messages::Subscribers;
use self::rounds::{EXPERIENCE, PROCESSOR};
use self::table::Table;
use self::worker::Worker;
use crate::support::{Host, Random, SEED, Server, System, eventually, id_of, run, seed, setting};

/// How often a process is killed.
const CRASHES: &str = "MANMAN_TEST_CRASHES";
const USUAL_CRASHES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(debug_assertions), ignore = "release builds have no crash points")]
async fn what_was_acknowledged_is_stored_once_and_told_and_done_wherever_a_process_dies() {
    let seed = seed();
    let crashes = setting(CRASHES).map_or(USUAL_CRASHES, |count| usize::try_from(count).unwrap());
    println!("{crashes} crashes, {SEED}={seed}");
    let rounds = rounds::any(crashes, Random(seed));
    let ledger = Arc::<Ledger>::default();
    let mut system = System::start().await;
    let subscribers = Subscribers::subscribe(&system.broker, &ledger).await;
    let host = Host::start(&system, "crash-points").await;
    let console = console(&system).await;
    let worker = Worker::start(&system.dal, &system.broker, &ledger).await;

    let began = Instant::now();
    let clients = Clients::start(&system.experience, &ledger, console);
    for (number, round) in rounds.iter().enumerate() {
        ledger.begin(number);
        round.play(&mut system).await;
    }
    ledger.begin(rounds.len());
    clients.finish().await;
    let (worker_id, received) = (worker.id, worker.finish(&ledger).await);
    println!("{crashes} crashes in {} s", began.elapsed().as_secs());
    settles(&system, &host).await;

    let log = verdict::log(&system.database).await;
    let last_status = log.iter().rfind(|event| event.standing.as_deref() == Some("current"));
    let last_status = last_status.map(|event| event.event_id.to_string());
    let head = log.last().unwrap().position;
    let (events, statuses) = subscribers.finish(head, last_status.as_deref()).await;
    let (acknowledged, reports) = ledger.close();
    let stored_at = verdict::every_acknowledged_command_is_stored_once(&log, &acknowledged);
    verdict::every_confirmed_report_is_stored_once(&log, &reports);
    let told = messages::without_gaps(&events, head);
    verdict::what_was_told_is_what_happened(&log, &told, &statuses);
    verdict::every_start_was_carried_out_once(&log, worker_id, &received);
    verdict::no_line_was_written_twice(&log, &host);

    let table = Table::of(&rounds, &acknowledged, &stored_at, &[&events[..], &statuses].concat());
    println!("{table}");
    let (events, reports, started) = (log.len(), reports.len(), received.len());
    println!("{events} events, {reports} reports; the worker was told {started} times to start");
    for kind in ["StartRequested", "StdinSent"] {
        println!("{kind}: {:?}", verdict::every_request_ended_once(&log, kind));
    }
    every_death_was_where_it_should_be(&table);
    read_models_are_what_the_log_says(&system).await;
    drop(host);
    system.stop().await;
}

#[tokio::test]
#[cfg_attr(not(debug_assertions), ignore = "release builds have no crash points")]
async fn a_point_that_does_not_exist_is_refused_with_those_that_do() {
    let environment = vec![(VARIABLE, "append.behind".to_owned())];
    let refused = run(&["run-migration"], &environment).await.refused();
    assert!(refused.contains("MANMAN_CRASH_AT=append.behind must be a point"), "{refused}");
    assert!(Point::ALL.iter().all(|point| refused.contains(point.name())), "{refused}");
}

/// As far as others can see it: only these clients append through the Experience API, so its death after an append
/// leaves one of them without an answer, and what the relay does not know to be published it publishes again.
fn every_death_was_where_it_should_be(table: &Table) {
    let appended = table.of_target(Point::AppendAfter, EXPERIENCE);
    assert!(appended.answered_from_the_log >= appended.kills, "{appended:?}");
    let published = table.of_target(Point::RelayPublished, PROCESSOR);
    assert!(table.total().repetitions >= published.kills, "{published:?}");
}

/// A game server that runs on the agent, with a prepared command to say something on its console.
async fn console(system: &System) -> Console {
    let experience = &system.experience;
    let server = Server::demo(system, "console", json!({})).await;
    let config = server.config_id;
    let shown = experience.get(&format!("/v1/game-server-configs/{config}")).await.ok();
    let game_server = shown["game_server_id"].as_str().unwrap();
    let template = json!({"name": "say", "command": "say {value}", "is_visible": true});
    let path = format!("/gameserver/types/{game_server}/command");
    let template = experience.post_json(&path, &template).await.ok();
    let offered =
        json!({"game_server_command_id": template["game_server_command_id"], "command_value": "-"});
    let path = format!("/gameserver/config/{config}/command");
    let offered = experience.post_json(&path, &offered).await.ok();
    server.start().await;
    let instance = id_of(&server.reaches("RUNNING").await);
    let command = offered["game_server_config_command_id"].as_i64().unwrap();
    Console { instance, command: i32::try_from(command).unwrap() }
}

/// Waits until everything is back and nobody has anything left to tell or to show.
async fn settles(system: &System, host: &Host) {
    system.is_ready().await;
    eventually("nothing is left to tell", async || host.untold().is_empty()).await;
    let pending = "SELECT count(*) FROM read_models.worker_requests WHERE outcome = 'pending'";
    let environment = system.environment_with(&Vec::new());
    eventually("every request has its outcome, and everything is caught up", async || {
        system.database.value::<i64>(pending).await == 0
            && run(&["projections", "lag"], &environment).await.status.success()
    })
    .await;
}

async fn read_models_are_what_the_log_says(system: &System) {
    let environment = system.environment_with(&Vec::new());
    let verified = run(&["projections", "verify"], &environment).await.done();
    println!("{verified}");
}
