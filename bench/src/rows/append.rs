//! `append`: 64 tasks load, decide and durably append through the store, against one plain insert
//! per commit and against cqrs-es + postgres-es as shipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use chrono::{DateTime, Utc};
use cqrs_es::CqrsFramework;
use cqrs_es::persist::PersistedEventStore;
use domain::worker::{Surface, WorkerCommand};
use domain::{StatusReport, StatusType, Worker, WorkerId};
use event_store::{Actor, CommandContext, EventStore, LogOptions};
use postgres_es::PostgresEventRepository;
use uuid::Uuid;

use crate::baseline;
use crate::database::Database;
use crate::settings::Settings;
use crate::summary::Summary;

const TASKS: i32 = 64;

/// Measures all three in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let plain = Database::bare(settings).await?;
    let inserts = baseline::pgbench_insert(settings, &plain).await?;
    plain.drop().await?;

    let shipped = as_shipped(settings).await?;
    let ours = through_the_store(settings).await?;
    summary.add(
        "append",
        ours,
        "commands/s",
        ("pgbench plain insert, 16 clients", inserts),
        ">= 3",
    );
    summary.add(
        "append_vs_shipped",
        ours,
        "commands/s",
        ("cqrs-es + postgres-es as shipped", shipped),
        ">= 10",
    );
    Ok(())
}

fn register(id: i32) -> WorkerCommand {
    WorkerCommand::Register {
        worker_id: WorkerId(id),
        surface: Surface::V1,
        name: None,
        agent: None,
        at: DateTime::UNIX_EPOCH,
    }
}

/// A report that is newer than the one before: every one becomes the current status.
fn report(number: i64) -> WorkerCommand {
    let at: DateTime<Utc> = DateTime::UNIX_EPOCH + chrono::Duration::microseconds(number + 1);
    WorkerCommand::ReportStatus(StatusReport {
        status: StatusType::Running,
        as_of: at,
        received_at: at,
    })
}

async fn through_the_store(settings: &Settings) -> Result<f64> {
    let database = Database::migrated(settings).await?;
    let store = EventStore::start(database.pool.clone(), LogOptions::default());
    let context = || CommandContext::new(Actor::agent("bench"), Uuid::now_v7());
    for id in 1..=TASKS {
        store.workers.create(&id.to_string(), register(id), &context()).await?;
    }
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let end = started + settings.duration();
    let tasks: Vec<_> = (1..=TASKS)
        .map(|id| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let id = id.to_string();
                let mut number = 0;
                while Instant::now() < end {
                    let context = CommandContext::new(Actor::agent("bench"), Uuid::now_v7());
                    store.workers.execute(&id, report(number), &context).await?;
                    number += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let rate = done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    // All events of a statement carry one recorded_at.
    let per_statement: f64 = sqlx::query_scalar(
        "SELECT count(*)::float8 / count(DISTINCT recorded_at) FROM events WHERE position > $1",
    )
    .bind(i64::from(TASKS) + 5)
    .fetch_one(&database.pool)
    .await?;
    println!("group commit: {per_statement:.1} commands per statement");
    drop(store);
    database.drop().await?;
    Ok(rate)
}

/// The same commands through `CqrsFramework` and postgres-es with the tables its README gives.
async fn as_shipped(settings: &Settings) -> Result<f64> {
    let database = Database::bare(settings).await?;
    sqlx::raw_sql(
        "CREATE TABLE events (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
             sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL,
             payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence));
         CREATE TABLE snapshots (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
             last_sequence bigint CHECK (last_sequence >= 0) NOT NULL,
             current_snapshot bigint CHECK (current_snapshot >= 0) NOT NULL, payload json NOT NULL,
             PRIMARY KEY (aggregate_type, aggregate_id, last_sequence))",
    )
    .execute(&database.pool)
    .await?;
    // Its default store keeps no snapshots and loads every event each time, which grows without end;
    // the snapshot store is the fairer rival.
    let store = PersistedEventStore::<_, Worker>::new_snapshot_store(
        PostgresEventRepository::new(database.pool.clone()),
        100,
    );
    let framework = Arc::new(CqrsFramework::new(store, Vec::new(), ()));
    let metadata = HashMap::from([
        ("actor_kind".to_owned(), "agent".to_owned()),
        ("actor_id".to_owned(), "bench".to_owned()),
    ]);
    for id in 1..=TASKS {
        framework.execute_with_metadata(&id.to_string(), register(id), metadata.clone()).await?;
    }
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let end = started + settings.duration();
    let tasks: Vec<_> = (1..=TASKS)
        .map(|id| {
            let (framework, done, metadata) =
                (Arc::clone(&framework), Arc::clone(&done), metadata.clone());
            tokio::spawn(async move {
                let id = id.to_string();
                let mut number = 0;
                while Instant::now() < end {
                    framework.execute_with_metadata(&id, report(number), metadata.clone()).await?;
                    number += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let rate = done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    database.drop().await?;
    Ok(rate)
}
