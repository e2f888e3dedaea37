//! `heartbeat`: `POST /worker/heartbeat`, 64 connections over 256 workers, against `GET /health` of the
//! same server; and the database writes it takes.

use anyhow::{Context, Result};
use sqlx::PgPool;

use crate::database::Database;
use crate::load::{Client, closed_loop, request};
use crate::roles::Role;
use crate::settings::Settings;
use crate::summary::Summary;

const WORKERS: u64 = 256;

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let database = Database::migrated(settings).await?;
    let api = Role::start(settings, &database, "start-worker-dal-api").await?;
    let mut client = Client::connect(&api.address).await?;
    let mut beats = Vec::new();
    for _ in 0..WORKERS {
        let worker = client.post("/worker/create", "").await?.json()?;
        let worker_id = worker["worker_id"].as_i64().context("worker_id")?;
        // As a v1 worker sends it.
        let body = format!(
            r#"{{"worker_id":{worker_id},"created_date":{},"end_date":null,"last_heartbeat":null}}"#,
            worker["created_date"]
        );
        beats.push(request("POST", "/worker/heartbeat", &api.address, "", &body));
    }
    let health = request("GET", "/health", &api.address, "", "");
    let floor =
        closed_loop(&api.address, 64, settings.duration(), move |_, _| health.clone()).await?;

    let before = rows_written(&database.pool).await?;
    let rate = closed_loop(&api.address, 64, settings.duration(), move |connection, sent| {
        beats[((connection as u64 + sent * 64) % WORKERS) as usize].clone()
    })
    .await?;
    let written = rows_written(&database.pool).await? - before;
    api.stop().await?;
    database.drop().await?;
    let seconds = settings.seconds as f64;
    summary.add(
        "heartbeat",
        rate,
        "requests/s",
        ("GET /health of the same server", floor),
        ">= 10,000/s",
    );
    summary.add(
        "heartbeat_row_writes",
        written / seconds,
        "rows/s",
        ("heartbeats", rate),
        "<= 4/s per worker",
    );
    Ok(())
}

async fn rows_written(pool: &PgPool) -> Result<f64> {
    // Statistics of other sessions arrive within a second or so of the write.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let written: i64 = sqlx::query_scalar(
        "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'heartbeats'",
    )
    .fetch_one(pool)
    .await?;
    Ok(written as f64)
}
