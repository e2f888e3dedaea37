//! Everything at once that makes readers of a log lose events: many writers, lost races, transactions that roll back
//! and transactions that are parked in the middle, so that what was begun first is committed last. Readers by position
//! and replicas of the projections follow meanwhile. The same is done to a table with a serial id and to one who polls
//! it, which is how event stores on PostgreSQL are mostly read.
//!
//! ```text
//! storm      the writers: what is committed, rolled back and parked, the same for both
//! log        the storm's events on the log
//! follower   somebody who reads the log by position
//! replicas   the projections, by processes that come and go
//! audit      every move of a checkpoint, as the database saw it
//! plain      the storm's events in a plain table, and who polls that
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod follower;
mod log;
mod plain;
mod replicas;
mod storm;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::time::Instant;

use event_store::Position;
use projectors::PROJECTIONS;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::follower::Seen;
use self::log::OnTheLog;
use self::plain::{OnAPlainTable, Poller};
use self::replicas::Replicas;
use self::storm::{Progress, Written, storm};
use self::support::{System, eventually, with_system};

/// How many events the writers commit.
const EVENTS: &str = "MANMAN_TEST_TORTURE_EVENTS";
const USUAL_EVENTS: usize = 20_000;

fn events() -> usize {
    std::env::var(EVENTS).map_or(USUAL_EVENTS, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_committed_event_is_seen_once_in_order_and_applied_once_and_nothing_else_is() {
    with_system(|system| async move {
        audit::begin(&system.pool).await;
        let (progress, done) = (Progress::default(), CancellationToken::new());
        let following = tokio::spawn(follower::follow(system.pool.clone(), done.clone()));
        let replicas = Replicas::start(&system.pool, &progress, &done).await;
        let began = Instant::now();
        let log = OnTheLog::prepare(&system).await;
        let written = storm(&log, events(), &progress).await;
        done.cancel();
        println!("{}", written.in_words(began.elapsed()));

        let seen = following.await.unwrap();
        let head = system.store.log.head().await.unwrap();
        catch_up(&system, head).await;
        println!("caught up after {} s; {}", began.elapsed().as_secs(), replicas.stop().await);
        the_follower_saw_what_is_there(&system, &seen).await;
        nothing_is_lost_and_nothing_undead(&written, &seen);
        println!("a reader by position saw {} events: 0 missed, 0 twice", seen.len());
        audit::every_position_was_applied_once(&system.pool, head).await;
        let parked: i64 = sqlx::query_scalar("SELECT count(*) FROM parked_events")
            .fetch_one(&system.pool)
            .await
            .unwrap();
        assert_eq!(parked, 0, "nothing was put aside");
        rows_are_as_many_as_were_born(&system).await;
        hashes_are_equal(&system).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_polls_a_serial_id_loses_what_is_committed_late() {
    with_system(|system| async move {
        let (progress, done) = (Progress::default(), CancellationToken::new());
        let poller = Poller::start(&system.pool, &done).await;
        let began = Instant::now();
        let (table, first) = OnAPlainTable::prepare(&system.pool, &poller).await;
        let written = storm(&table, events(), &progress).await;
        done.cancel();
        println!("the same with a serial id: {}", written.in_words(began.elapsed()));

        let seen: HashSet<Uuid> = poller.all_it_saw().await.into_iter().collect();
        let missed = |ids: &[Uuid]| ids.iter().filter(|id| !seen.contains(id)).count();
        let lost = missed(&written.committed);
        println!(
            "who polls it saw {} events: {lost} missed, {} of those parked",
            seen.len(),
            missed(&written.parked)
        );
        assert_eq!(missed(&written.parked), written.parked.len(), "who polls had gone by");
        assert!(!written.parked.is_empty() && seen.contains(&first));
    })
    .await;
}

/// However long it takes, as long as they move.
async fn catch_up(system: &System, head: Position) {
    loop {
        let slowest = system.slowest().await;
        if slowest >= head {
            return;
        }
        eventually("the projections move on", async || system.slowest().await > slowest).await;
    }
}

/// It read as the events came; this reads them when all is over.
async fn the_follower_saw_what_is_there(system: &System, seen: &[Seen]) {
    let there: Vec<Uuid> = sqlx::query_scalar("SELECT event_id FROM events ORDER BY position")
        .fetch_all(&system.pool)
        .await
        .unwrap();
    assert!(there.iter().eq(seen.iter().map(|seen| &seen.event_id)), "it saw something else");
}

/// Every commit is one event.
fn nothing_is_lost_and_nothing_undead(written: &Written, seen: &[Seen]) {
    let mut once = HashSet::new();
    for seen in seen.iter().filter(|seen| !seen.is_of_the_seed) {
        assert!(once.insert(seen.command_id), "{} is there twice", seen.command_id);
    }
    let missed = written.committed.iter().filter(|id| !once.remove(id)).count();
    assert_eq!(missed, 0, "what was committed is seen");
    let undead = written.rolled_back.iter().filter(|(id, _)| once.contains(id)).count();
    assert_eq!(undead, 0, "what was rolled back is not");
    for unknown in &written.unknown {
        once.remove(unknown);
    }
    assert!(once.is_empty(), "{} events that nobody wrote", once.len());
}

async fn rows_are_as_many_as_were_born(system: &System) {
    for (table, born) in [
        ("workers", "event_type = 'WorkerRegistered'"),
        ("game_server_instances", "event_type = 'InstanceCreated'"),
        ("game_servers", "event_type = 'GameServerAdded'"),
        ("worker_requests", "event_type = 'StartRequested'"),
    ] {
        let counts = format!(
            "SELECT (SELECT count(*) FROM read_models.{table}), (SELECT count(*) FROM events WHERE {born})"
        );
        let (rows, born): (i64, i64) =
            sqlx::query_as(&counts).fetch_one(&system.pool).await.unwrap();
        assert!(born > 0, "{table}");
        assert_eq!(rows, born, "{table}");
    }
}

async fn hashes_are_equal(system: &System) {
    let tables = projectors::verify(&system.pool, &PROJECTIONS, &mut |_| ()).await.unwrap();
    for table in &tables {
        assert!(table.is_equal(), "{table:?}");
    }
    let rows: i64 = tables.iter().map(|table| table.rows).sum();
    println!("rebuilt from the log: {rows} rows in {} tables, all hashes equal", tables.len());
}
