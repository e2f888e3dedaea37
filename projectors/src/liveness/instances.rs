//! Instances that are not as they should be.

use domain::Instant;
use domain::game_server_instance::{InstanceClosedBy, InstanceCommand, InstanceLostBy};
use sqlx::PgPool;
use uuid::Uuid;

use super::commands::Finding;
use super::{LivenessConfig, MOST};

type Findings = sqlx::Result<Vec<Finding<InstanceCommand>>>;

/// Its worker is lost, so nothing is known of it.
pub(super) async fn of_lost_workers(pool: &PgPool) -> Findings {
    type Found = (i32, Option<Instant>, i32, Option<Uuid>, Instant);
    let found: Vec<Found> = sqlx::query_as(
        "SELECT i.game_server_instance_id, h.last_heartbeat_at, w.worker_id, w.status_event_id, now()
           FROM read_models.workers w
           JOIN read_models.game_server_instances i USING (worker_id)
           LEFT JOIN heartbeats h
             ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE w.end_date IS NULL AND w.status = 'LOST' AND i.end_date IS NULL
            AND i.status IN ('CREATED', 'INITIALIZING', 'RUNNING')
          LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, last_heartbeat_at, worker_id, caused_by, at)| Finding {
            kind: "instance_lost",
            id,
            command: InstanceCommand::DeclareLost {
                at,
                by: InstanceLostBy::Worker,
                last_heartbeat_at,
            },
            caused_by,
            reason: format!("its worker {worker_id} is lost"),
        })
        .collect())
}

/// Lost with its worker, and the worker is back.
pub(super) async fn of_recovered_workers(pool: &PgPool) -> Findings {
    let found: Vec<(i32, i32, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT i.game_server_instance_id, w.worker_id, w.status_event_id, now()
           FROM read_models.game_server_instances i
           JOIN read_models.workers w USING (worker_id)
          WHERE i.end_date IS NULL AND i.status = 'LOST' AND i.lost_by = 'worker'
            AND w.end_date IS NULL AND w.status IS DISTINCT FROM 'LOST'
          LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, worker_id, caused_by, at)| Finding {
            kind: "instance_recovered",
            id,
            command: InstanceCommand::DeclareRecovered { at },
            caused_by,
            reason: format!("its worker {worker_id} is back"),
        })
        .collect())
}

/// Silent, while its worker is not: the worker was heard of since the silence became too long. When
/// both fall silent together, the worker is lost and the instance with it.
///
/// Only a running instance has heartbeats. A status newer than its last heartbeat is a sign of life
/// too, above all the recovery that ends a loss of its worker.
pub(super) async fn silent(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Option<Instant>, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT i.game_server_instance_id, h.last_heartbeat_at, i.status_event_id, now()
           FROM read_models.game_server_instances i
           JOIN read_models.workers w USING (worker_id)
           JOIN heartbeats wh ON wh.entity = 'worker' AND wh.entity_id = w.worker_id
           LEFT JOIN heartbeats h
             ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE i.end_date IS NULL AND i.status = 'RUNNING'
            AND w.end_date IS NULL AND w.status IS DISTINCT FROM 'LOST'
            AND greatest(coalesce(h.last_heartbeat_at, i.status_as_of + $1), i.status_as_of)
                < wh.last_heartbeat_at - $2
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
            kind: "instance_lost",
            id,
            command: InstanceCommand::DeclareLost {
                at,
                by: InstanceLostBy::Silence,
                last_heartbeat_at,
            },
            caused_by,
            reason: match last_heartbeat_at {
                Some(last) => format!("no heartbeat since {last}, while its worker has some"),
                None => "no heartbeat ever, while its worker has some".to_owned(),
            },
        })
        .collect())
}

/// Lost by its own silence, and its heartbeats are back. While its worker is lost it stays lost with it.
pub(super) async fn heard_again(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Instant, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT i.game_server_instance_id, h.last_heartbeat_at, i.status_event_id, now()
           FROM read_models.game_server_instances i
           JOIN read_models.workers w USING (worker_id)
           JOIN heartbeats h
             ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE i.end_date IS NULL AND i.status = 'LOST' AND i.lost_by = 'silence'
            AND (w.end_date IS NOT NULL OR w.status IS DISTINCT FROM 'LOST')
            AND h.last_heartbeat_at >= now() - $1
          LIMIT $2",
    )
    .bind(config.lost_after)
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, last, caused_by, at)| Finding {
            kind: "instance_recovered",
            id,
            command: InstanceCommand::DeclareRecovered { at },
            caused_by,
            reason: format!("a heartbeat came at {last}"),
        })
        .collect())
}

/// Its worker is closed and it is silent: nobody will ever end it. One that still has heartbeats runs
/// on a worker that was superseded, and stays observable.
pub(super) async fn of_closed_workers(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, i32, Instant, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT i.game_server_instance_id, w.worker_id,
                greatest(h.last_heartbeat_at, w.end_date, i.created_date), w.closed_event_id, now()
           FROM read_models.game_server_instances i
           JOIN read_models.workers w USING (worker_id)
           LEFT JOIN heartbeats h
             ON h.entity = 'game_server_instance' AND h.entity_id = i.game_server_instance_id
          WHERE i.end_date IS NULL AND w.end_date IS NOT NULL
            AND greatest(h.last_heartbeat_at, w.end_date, i.created_date) < now() - $1
          LIMIT $2",
    )
    .bind(config.lost_after)
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, worker_id, since, caused_by, at)| Finding {
            kind: "instance_closed",
            id,
            command: InstanceCommand::Close { at, by: InstanceClosedBy::WorkerClosed },
            caused_by,
            reason: format!("its worker {worker_id} is closed and it is silent since {since}"),
        })
        .collect())
}

/// Closed, but its final report did not come.
pub(super) async fn unconcluded(pool: &PgPool, config: &LivenessConfig) -> Findings {
    let found: Vec<(i32, Instant, Option<Uuid>, Instant)> = sqlx::query_as(
        "SELECT game_server_instance_id, end_date, status_event_id, now()
           FROM read_models.game_server_instances
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
            kind: "instance_concluded",
            id,
            command: InstanceCommand::Conclude { at },
            caused_by,
            reason: format!("closed at {closed_at} and no final report since"),
        })
        .collect())
}
