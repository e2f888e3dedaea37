//! Workers that are not as they should be.

use domain::Instant;
use domain::worker::{WorkerClosedBy, WorkerCommand};
use sqlx::PgPool;
use uuid::Uuid;

use super::commands::Finding;
use super::{LivenessConfig, MOST};

type Findings = sqlx::Result<Vec<Finding<WorkerCommand>>>;

/// Open and not lost, but its last sign of life is too old.
pub(super) async fn silent(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Option<Instant>, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT w.worker_id, h.last_heartbeat_at, w.status_event_id, now()
           FROM read_models.workers w
           LEFT JOIN heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id
          WHERE w.end_date IS NULL
            AND (w.status IS NULL OR w.status NOT IN ('LOST', 'COMPLETE', 'CRASHED'))
            AND coalesce(h.last_heartbeat_at, w.created_date + $1) < now() - $2
          LIMIT $3",
    )
    .bind(config.first_heartbeat_grace)
    .bind(config.lost_after)
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, last_heartbeat_at, caused_by, at)| Finding {
            kind: "worker_lost",
            id,
            command: WorkerCommand::DeclareLost { at, last_heartbeat_at },
            caused_by,
            reason: match last_heartbeat_at {
                Some(last) => format!("no heartbeat since {last}"),
                None => "no heartbeat ever since it registered".to_owned(),
            },
        })
        .collect())
}

/// Lost, but its heartbeats are back.
pub(super) async fn heard_again(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Instant, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT w.worker_id, h.last_heartbeat_at, w.status_event_id, now()
           FROM read_models.workers w
           JOIN heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id
          WHERE w.end_date IS NULL AND w.status = 'LOST' AND h.last_heartbeat_at >= now() - $1
          LIMIT $2",
    )
    .bind(config.lost_after)
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, last, caused_by, at)| Finding {
            kind: "worker_recovered",
            id,
            command: WorkerCommand::DeclareRecovered { at },
            caused_by,
            reason: format!("a heartbeat came at {last}"),
        })
        .collect())
}

/// Lost for longer than `ManMan` waits, and still silent.
pub(super) async fn lost_too_long(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Instant, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT w.worker_id, w.status_as_of, w.status_event_id, now()
           FROM read_models.workers w
           LEFT JOIN heartbeats h ON h.entity = 'worker' AND h.entity_id = w.worker_id
          WHERE w.end_date IS NULL AND w.status = 'LOST' AND w.status_as_of < now() - $1
            AND (h.last_heartbeat_at IS NULL OR h.last_heartbeat_at < now() - $2)
          LIMIT $3",
    )
    .bind(config.close_after)
    .bind(config.lost_after)
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, lost_since, caused_by, at)| Finding {
            kind: "worker_closed",
            id,
            command: WorkerCommand::Close { at, by: WorkerClosedBy::LostTooLong },
            caused_by,
            reason: format!("lost since {lost_since}"),
        })
        .collect())
}

/// Closed, but its final report did not come.
pub(super) async fn unconcluded(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Instant, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT worker_id, end_date, closed_event_id, now()
           FROM read_models.workers
          WHERE end_date < now() - $1 AND status IN ('CREATED', 'INITIALIZING', 'RUNNING', 'LOST')
          LIMIT $2",
    )
    .bind(config.conclude_after)
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, closed_at, caused_by, at)| Finding {
            kind: "worker_concluded",
            id,
            command: WorkerCommand::Conclude { at },
            caused_by,
            reason: format!("closed at {closed_at} and no final report since"),
        })
        .collect())
}
