//! `status_read`: `GET /status/worker/{id}`, 64 connections, against pgbench selecting the same row by
//! primary key.

use anyhow::Result;

use crate::baseline;
use crate::database::Database;
use crate::load::{closed_loop, request};
use crate::roles::Role;
use crate::settings::Settings;
use crate::summary::Summary;

const WORKERS: i32 = 10_000;

/// Measures both in one run, on the same rows.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let database = Database::migrated(settings).await?;
    sqlx::query(
        "INSERT INTO read_models.workers (worker_id, surface, created_date, status, status_as_of,
                                          status_class, status_info_id, position)
         SELECT n, 'v1', now(), 'RUNNING', now(), 'worker', n, n FROM generate_series(1, $1) n",
    )
    .bind(WORKERS)
    .execute(&database.pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE read_models.workers").execute(&database.pool).await?;
    let selects = baseline::pgbench_select(settings, &database, WORKERS).await?;

    let api = Role::start(settings, &database, "start-status-api").await?;
    let address = api.address.clone();
    let rate = closed_loop(&api.address, 64, settings.duration(), move |connection, sent| {
        let worker = (connection as u64 * 7919 + sent * 104_729) % WORKERS as u64 + 1;
        request("GET", &format!("/status/worker/{worker}"), &address, "", "")
    })
    .await?;
    api.stop().await?;
    database.drop().await?;
    summary.add(
        "status_read",
        rate,
        "requests/s",
        ("pgbench select by primary key, 64 clients", selects),
        ">= 0.7",
    );
    Ok(())
}
