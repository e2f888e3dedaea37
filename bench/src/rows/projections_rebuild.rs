//! `projections_rebuild`: all read models from position zero, against `COPY` of the log to nowhere;
//! `projections_flat`: what an event of that log costs, against one of a log of 100,000;
//! `projections_reads_during_rebuild`: how many statuses are read over HTTP while such a rebuild runs,
//! against how many without. One log for all three; `history` says what is on it.

use std::time::Instant;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use sqlx::PgPool;

use crate::database::Database;
use crate::history;
use crate::load::{closed_loop, closed_loop_until, request};
use crate::rebuild::{Rebuild, Rebuilt};
use crate::roles::Role;
use crate::settings::Settings;
use crate::summary::Summary;

/// Events of the log that an event's cost is compared with.
const FEW: i64 = 100_000;
/// A rebuild of few events is over in a moment, and a moment may be a bad one.
const ATTEMPTS: usize = 3;
const CONNECTIONS: usize = 64;

/// Measures all of them in one run, on the same log.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let few = Database::migrated(settings).await?;
    history::append(&few.pool, FEW).await?;
    let mut few_cost = f64::INFINITY;
    for _ in 0..ATTEMPTS {
        few_cost = rebuild(settings, &few).await?.cost().min(few_cost);
    }
    few.drop().await?;

    let database = Database::migrated(settings).await?;
    history::append(&database.pool, settings.events).await?;
    let copied = copy(&database.pool).await?;
    let rebuilt = rebuild(settings, &database).await?;
    let baseline = ("COPY of the log to nowhere", copied);
    summary.add("projections_rebuild", rebuilt.rate(), "events/s", baseline, ">= 150,000/s");
    let baseline = ("an event of a log of 100,000", few_cost);
    summary.add("projections_flat", rebuilt.cost(), "µs/event", baseline, "<= 1.2");
    println!("projections_rebuild: the switch took {:.0} ms", rebuilt.switch_seconds * 1e3);
    reads_during_rebuild(settings, &database, summary).await?;
    database.drop().await
}

async fn rebuild(settings: &Settings, database: &Database) -> Result<Rebuilt> {
    Rebuild::start(settings, database)?.finish().await
}

/// Reads the whole log once and throws it away: events per second.
async fn copy(pool: &PgPool) -> Result<f64> {
    let events: i64 = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(pool).await?;
    let started = Instant::now();
    let mut connection = pool.acquire().await?;
    let mut rows =
        connection.copy_out_raw("COPY (SELECT * FROM events ORDER BY position) TO STDOUT").await?;
    let mut bytes = 0;
    while let Some(chunk) = rows.try_next().await? {
        bytes += chunk.len();
    }
    (bytes > 0).then_some(()).context("COPY gave nothing")?;
    Ok(events as f64 / started.elapsed().as_secs_f64())
}

/// The read models are filled when this begins. A read that fails ends the measurement, also one at the
/// moment of the switch.
async fn reads_during_rebuild(
    settings: &Settings,
    database: &Database,
    summary: &mut Summary,
) -> Result<()> {
    let workers: u64 = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM read_models.workers")
        .fetch_one(&database.pool)
        .await?
        .try_into()?;
    let api = Role::start(settings, database, "start-status-api").await?;
    let read = || {
        let address = api.address.clone();
        move |connection: usize, sent: u64| {
            let worker = (connection as u64 * 7_919 + sent * 104_729) % workers + 1;
            request("GET", &format!("/status/worker/{worker}"), &address, "", "")
        }
    };
    let alone = closed_loop(&api.address, CONNECTIONS, settings.duration(), read()).await?;
    let rebuild = rebuild(settings, database);
    let (rate, rebuilt) = closed_loop_until(&api.address, CONNECTIONS, rebuild, read()).await?;
    println!(
        "projections_reads_during_rebuild: {:.0} events/s meanwhile, the switch took {:.0} ms",
        rebuilt.rate(),
        rebuilt.switch_seconds * 1e3
    );
    api.stop().await?;
    let baseline = ("without a rebuild", alone);
    summary.add("projections_reads_during_rebuild", rate, "requests/s", baseline, ">= 0.7");
    Ok(())
}
