//! What the rows are compared with.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::database::Database;
use crate::settings::Settings;

/// Mean time of one small write and fdatasync, in microseconds: what a durable commit costs at least.
pub fn disk_sync_micros() -> Result<f64> {
    const ROUNDS: u32 = 200;
    let path = std::env::temp_dir().join(format!("manman-bench-{}", std::process::id()));
    let mut file = File::create(&path)?;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    std::fs::remove_file(path)?;
    Ok(micros)
}

/// A table shaped like an ordinary append: one row, one commit, no order, no conflicts.
pub async fn plain_insert_table(database: &Database) -> Result<()> {
    sqlx::raw_sql(
        "CREATE TABLE plain_events (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint NOT NULL,
             event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
             recorded_at timestamptz NOT NULL DEFAULT now(),
             UNIQUE (aggregate_type, aggregate_id, sequence))",
    )
    .execute(&database.pool)
    .await?;
    Ok(())
}

/// One plain single-event insert per commit, 16 clients, prepared: transactions per second.
pub async fn pgbench_insert(settings: &Settings, database: &Database) -> Result<f64> {
    plain_insert_table(database).await?;
    let script = r#"\set worker random(1, 2000000000)
INSERT INTO plain_events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
VALUES ('worker', :worker::text, 1, 'WorkerStatusReported', '1',
 '{"WorkerStatusReported":{"status":"RUNNING","reported_as_of":"2026-01-02T03:04:05.678901Z","as_of":"2026-01-02T03:04:05.678901Z","standing":"current"}}',
 '{"actor_kind":"agent","actor_id":"worker/1","correlation_id":"018f0000-0000-7000-8000-000000000000","command_id":"018f0000-0000-7000-8000-000000000000"}')
ON CONFLICT DO NOTHING;
"#;
    pgbench(settings, database, script, 16).await
}

/// Primary-key selects of one row of `read_models.workers`, 64 clients, prepared: per second.
pub async fn pgbench_select(settings: &Settings, database: &Database, workers: i32) -> Result<f64> {
    let script = format!(
        "\\set id random(1, {workers})\nSELECT worker_id, status, status_as_of, status_class, status_info_id FROM read_models.workers WHERE worker_id = :id;\n"
    );
    pgbench(settings, database, &script, 64).await
}

async fn pgbench(
    settings: &Settings,
    database: &Database,
    script: &str,
    clients: u32,
) -> Result<f64> {
    let file = std::env::temp_dir().join(format!("manman-bench-{}.sql", std::process::id()));
    std::fs::write(&file, script)?;
    let output = Command::new(find_pgbench()?)
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string()])
        .args(["-T", &settings.seconds.to_string(), "-f"])
        .arg(&file)
        .arg(database.url())
        .stdin(Stdio::null())
        .output()
        .await
        .context("pgbench")?;
    std::fs::remove_file(file)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    text.lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .with_context(|| format!("pgbench printed no tps: {text}"))
}

/// pgbench is on the path, or beside the newest server as Debian installs it.
fn find_pgbench() -> Result<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|folder| folder.join("pgbench"));
    let debian =
        (12..30).rev().map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin/pgbench")));
    debian.chain(on_path).find(|path| path.exists()).context("pgbench is not installed")
}
