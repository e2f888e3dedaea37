//! 64 concurrent writers with conflicts, refusals and killed connections, while a reader follows:
//! acknowledged = stored exactly once, positions gapless, the reader never sees N before all below N.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::worker::{WorkerClosedBy, WorkerCommand};
use event_store::{EventStore, ExecuteError, Executed, Position};
use support::{Database, at, context, register, report};
use uuid::Uuid;

const WRITERS: i32 = 64;
/// Fewer streams than writers, so that they meet on them; across three stores they conflict.
const STREAMS: i32 = 48;
const EVENTS: i64 = 100_000;

/// One writer's commands, until the log is long enough: which were acknowledged, by command id.
async fn write(
    store: EventStore,
    number: i32,
    enough: Arc<AtomicBool>,
) -> (HashSet<Uuid>, HashSet<Uuid>) {
    let (mut acknowledged, mut unknown) = (HashSet::new(), HashSet::new());
    let mut micros = i64::from(number);
    for round in 0_i32.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let id = (number * 7 + round) % STREAMS + 1;
        micros += i64::from(WRITERS);
        let context = context();
        // Every 16th is refused by the domain: it must leave no trace.
        let refused = round % 16 == 15;
        let command = if refused { register(id) } else { report(micros) };
        match store.workers.execute(&id.to_string(), command, &context).await {
            Ok(Executed::Done { position: Some(_), .. }) => {
                assert!(!refused, "a second registration must be refused");
                acknowledged.insert(context.command_id);
            }
            Ok(other) => panic!("{other:?}"),
            Err(ExecuteError::Refused(_)) => assert!(refused, "a report is never refused"),
            // Eight lost races in a row, or a connection that could not be had: nothing was written.
            Err(ExecuteError::Busy) => {}
            Err(ExecuteError::Append(event_store::AppendError::OutcomeUnknown(_))) => {
                unknown.insert(context.command_id);
            }
            Err(ExecuteError::Append(event_store::AppendError::Unavailable(_))) => {}
            Err(other) => panic!("{other}"),
        }
    }
    (acknowledged, unknown)
}

/// Follows the log by position only, as every subscription does.
async fn follow(database: &Database, from: Position, enough: &AtomicBool) -> Position {
    let mut seen = from;
    loop {
        // A killed connection must not disturb the reader either: it reads again from where it was.
        let Ok(mut connection) = database.pool.acquire().await else { continue };
        let Ok(events) = event_store::read_after(&mut connection, seen, 1_000).await else {
            continue;
        };
        for event in &events {
            assert_eq!(event.position.0, seen.0 + 1, "no position is seen before the one below it");
            seen = event.position;
        }
        if events.is_empty() {
            if seen.0 >= from.0 + EVENTS && enough.swap(true, Ordering::Relaxed) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else if seen.0 >= from.0 + EVENTS {
            enough.store(true, Ordering::Relaxed);
        }
    }
}

/// Kills a random writing connection of the test's database again and again.
async fn kill_connections(database: &Database, enough: &AtomicBool) -> i64 {
    let mut killed = 0;
    while !enough.load(Ordering::Relaxed) {
        let count: Result<i64, _> = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM (
                 SELECT pid FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND query LIKE 'SELECT base, rejections%' AND state = 'active' LIMIT 1) AS one",
        )
        .fetch_one(&database.pool)
        .await;
        killed += count.unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_acknowledged_command_is_stored_once_and_readers_see_no_gap() {
    let database = Database::create().await;
    let stores = [
        database.another_store().await,
        database.another_store().await,
        database.another_store().await,
    ];
    for id in 1..=STREAMS {
        stores[0].workers.create(&id.to_string(), register(id), &context()).await.unwrap();
    }
    let from = stores[0].log.head().await.unwrap();
    let enough = Arc::new(AtomicBool::new(false));

    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let store = stores[usize::try_from(number).unwrap() % stores.len()].clone();
            tokio::spawn(write(store, number, Arc::clone(&enough)))
        })
        .collect();
    let (_, killed) =
        tokio::join!(follow(&database, from, &enough), kill_connections(&database, &enough));
    let (mut acknowledged, mut unknown) = (HashSet::new(), HashSet::new());
    for writer in writers {
        let (known, lost) = writer.await.unwrap();
        acknowledged.extend(known);
        unknown.extend(lost);
    }

    let events = database.all_events().await;
    let positions: Vec<i64> = events.iter().map(|event| event.position.0).collect();
    let expected: Vec<i64> = (1..=i64::try_from(events.len()).unwrap()).collect();
    assert_eq!(positions, expected, "positions are gapless");
    let mut stored = HashSet::new();
    for event in events.iter().filter(|event| event.position > from) {
        let command_id = event.metadata().unwrap().command_id;
        assert!(stored.insert(command_id), "{command_id} was stored twice");
    }
    assert!(acknowledged.is_subset(&stored), "everything acknowledged is stored");
    let unexplained = stored.difference(&acknowledged).filter(|id| !unknown.contains(id)).count();
    assert_eq!(unexplained, 0, "nothing is stored that its writer was told had failed");
    assert!(killed > 0, "connections were killed while appending");
    assert!(stored.len() as i64 >= EVENTS);
    println!("{} stored, {killed} connections killed, {} unknown", stored.len(), unknown.len());

    // A stream's events are as its aggregate decided them, in sequence.
    let worker = database.another_store().await.workers.load("1").await.unwrap();
    let last = events.iter().rev().find(|event| event.aggregate_id == "1").unwrap();
    assert_eq!(worker.version, last.sequence);
    let close = WorkerCommand::Close { at: at(i64::MAX / 4), by: WorkerClosedBy::Shutdown };
    stores[1].workers.execute("1", close, &context()).await.unwrap();
    database.drop().await;
}
