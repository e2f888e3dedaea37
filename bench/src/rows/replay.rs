//! `replay`: all read models from zero, against `COPY` of the log to nowhere.

use std::time::Instant;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use sqlx::PgPool;

use crate::database::Database;
use crate::settings::Settings;
use crate::summary::Summary;

const SCHEMA: &str = "read_models_bench";

/// Measures both in one run, on the same log.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let database = Database::migrated(settings).await?;
    fill(&database.pool, settings.events).await?;
    let copied = copy(&database.pool).await?;
    let rebuilt = projectors::rebuild(&database.pool, SCHEMA).await?;
    let rate = rebuilt.events as f64 / rebuilt.elapsed.as_secs_f64();
    database.drop().await?;
    summary.add("replay", rate, "events/s", ("COPY of the log to nowhere", copied), ">= 100,000/s");
    Ok(())
}

/// A log of lives as workers report them: of eight events, six are an instance's life and two are a
/// request for it and its outcome. 200 workers.
async fn fill(pool: &PgPool, events: i64) -> Result<()> {
    let instances = events / 8;
    sqlx::raw_sql(&format!(
        r#"
        INSERT INTO events
        SELECT h.position + n, 'worker', n::text, 1, 'WorkerRegistered', '1',
               json_build_object('WorkerRegistered', json_build_object('worker_id', n, 'surface', 'v1', 'name', NULL,
                                 'registered_at', '2026-01-02T03:04:05Z')),
               '{METADATA}', gen_random_uuid(), now()
          FROM generate_series(1, 200) n, log_head h;
        WITH step AS (
            SELECT i, k, 205 + (i - 1) * 8 + k AS position, (i - 1) % 200 + 1 AS worker, (i - 1) / 200 AS lap,
                   timestamptz '2026-01-03 00:00:00+00' + i * interval '1 s' + k * interval '10 ms' AS at,
                   ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0')) AS request
              FROM generate_series(1, {instances}) i, generate_series(1, 8) k
        )
        INSERT INTO events
        SELECT position,
               CASE WHEN k IN (1, 4) THEN 'worker' ELSE 'game_server_instance' END,
               CASE WHEN k IN (1, 4) THEN worker ELSE i END::text,
               CASE k WHEN 1 THEN 2 + lap * 2 WHEN 4 THEN 3 + lap * 2 WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE k - 2 END,
               e.type, '1', json_build_object(e.type, e.payload), '{METADATA}', gen_random_uuid(), now()
          FROM step CROSS JOIN LATERAL (
               SELECT 'StartRequested' AS type, json_build_object('request_id', request, 'game_server_config_id', 1,
                      'requested_at', at, 'deadline', at + interval '300 s') AS payload WHERE k = 1
               UNION ALL
               SELECT 'InstanceCreated', json_build_object('game_server_instance_id', i, 'game_server_config_id', 1,
                      'game_server_id', 1, 'worker_id', worker, 'created_at', at) WHERE k = 2
               UNION ALL
               SELECT 'RequestFulfilled', json_build_object('request_id', request, 'game_server_instance_id', i,
                      'resolved_at', at) WHERE k = 4
               UNION ALL
               SELECT 'InstanceClosed', json_build_object('closed_at', at, 'by', 'shutdown') WHERE k = 7
               UNION ALL
               SELECT 'InstanceStatusReported', json_build_object('status',
                      CASE k WHEN 3 THEN 'CREATED' WHEN 5 THEN 'INITIALIZING' WHEN 6 THEN 'RUNNING' ELSE 'COMPLETE' END,
                      'reported_as_of', at, 'as_of', at, 'standing', 'current') WHERE k IN (3, 5, 6, 8)
               ) e
         ORDER BY position;
        UPDATE log_head SET position = (SELECT max(position) FROM events), recorded_at = now();
        "#
    ))
    .execute(pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE events").execute(pool).await?;
    Ok(())
}

const METADATA: &str = r#"{"actor_kind":"agent","actor_id":"worker/1","correlation_id":"018f0000-0000-7000-8000-000000000000","command_id":"018f0000-0000-7000-8000-000000000000"}"#;

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
