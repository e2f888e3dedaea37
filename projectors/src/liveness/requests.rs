//! Requests whose outcome can be told. v1 workers do not answer, so it is read off what they do;
//! native ones tell it themselves, and only their silence is judged here.

use std::collections::HashSet;

use domain::worker::{Outcome, WorkerCommand};
use domain::{GameServerInstanceId, Instant, RequestId};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::MOST;
use super::commands::Finding;
use crate::relay;

type Findings = sqlx::Result<Vec<Finding<WorkerCommand>>>;

/// A pending request.
#[derive(FromRow)]
struct Pending {
    worker_id: i32,
    request_id: Uuid,
    request_event_id: Uuid,
    now: Instant,
}

impl Pending {
    fn resolve(
        self,
        kind: &'static str,
        outcome: Outcome,
        reason: String,
    ) -> Finding<WorkerCommand> {
        Finding {
            kind,
            id: self.worker_id,
            command: WorkerCommand::Resolve {
                request_id: RequestId(self.request_id),
                outcome,
                at: self.now,
            },
            caused_by: Some(self.request_event_id),
            reason,
        }
    }
}

/// A pending start and an instance that may be its fruit.
#[derive(FromRow)]
struct Candidate {
    #[sqlx(flatten)]
    pending: Pending,
    game_server_instance_id: i32,
}

/// Starts whose worker has since, by the log and not by anybody's clock, begun an instance of the config. The oldest start gets the oldest
/// instance, and an instance shows one start at most.
pub(super) async fn started(pool: &PgPool) -> Findings {
    let candidates: Vec<Candidate> = sqlx::query_as(
        "SELECT r.worker_id, r.request_id, r.request_event_id, now(), i.game_server_instance_id
           FROM read_models.worker_requests r
           JOIN read_models.workers w ON w.worker_id = r.worker_id AND w.surface = 'v1'
           JOIN read_models.game_server_instances i
             ON i.worker_id = r.worker_id AND i.game_server_config_id = r.game_server_config_id
            AND i.created_position > r.position
          WHERE r.outcome = 'pending' AND r.kind = 'start'
            AND NOT EXISTS (SELECT FROM read_models.worker_requests used
                             WHERE used.game_server_instance_id = i.game_server_instance_id
                               AND used.kind = 'start' AND used.outcome = 'fulfilled')
          ORDER BY r.position, i.game_server_instance_id
          LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    let (mut requests, mut instances) = (HashSet::new(), HashSet::new());
    let mut findings = Vec::new();
    for Candidate { pending, game_server_instance_id: id } in candidates {
        if requests.contains(&pending.request_id) || !instances.insert(id) {
            continue;
        }
        requests.insert(pending.request_id);
        let outcome =
            Outcome::Fulfilled { game_server_instance_id: Some(GameServerInstanceId(id)) };
        findings.push(pending.resolve(
            "request_fulfilled",
            outcome,
            format!("instance {id} began"),
        ));
    }
    Ok(findings)
}

/// Stops of a config that has no open instance on the worker, or none any more.
pub(super) async fn stopped(pool: &PgPool) -> Findings {
    let found: Vec<Pending> = sqlx::query_as(
        "SELECT r.worker_id, r.request_id, r.request_event_id, now()
           FROM read_models.worker_requests r
           JOIN read_models.workers w ON w.worker_id = r.worker_id AND w.surface = 'v1'
          WHERE r.outcome = 'pending' AND r.kind = 'stop'
            AND NOT EXISTS (SELECT FROM read_models.game_server_instances i
                             WHERE i.worker_id = r.worker_id AND i.end_date IS NULL
                               AND i.game_server_config_id = r.game_server_config_id)
          LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    let reason = "the config has no open instance on the worker";
    Ok(found.into_iter().map(|pending| fulfilled(pending, reason)).collect())
}

/// Console lines that the relay has put into the worker's queue, and not aside: v1 gives no better sign.
pub(super) async fn relayed(pool: &PgPool) -> Findings {
    let mut connection = pool.acquire().await?;
    let relayed = event_store::position_of(&mut connection, relay::CHECKPOINT).await?;
    let found: Vec<Pending> = sqlx::query_as(
        "SELECT r.worker_id, r.request_id, r.request_event_id, now()
           FROM read_models.worker_requests r
           JOIN read_models.workers w ON w.worker_id = r.worker_id AND w.surface = 'v1'
          WHERE r.outcome = 'pending' AND r.kind = 'stdin' AND r.position <= $1
            AND NOT EXISTS (SELECT FROM parked_events p
                             WHERE p.subscription = $3 AND p.position = r.position)
          LIMIT $2",
    )
    .bind(relayed.unwrap_or_default().0)
    .bind(MOST)
    .bind(relay::CHECKPOINT)
    .fetch_all(&mut *connection)
    .await?;
    let reason = "it is in the worker's queue";
    Ok(found.into_iter().map(|pending| fulfilled(pending, reason)).collect())
}

/// Whatever is pending beyond its deadline, on any worker.
pub(super) async fn overdue(pool: &PgPool) -> Findings {
    let found: Vec<Pending> = sqlx::query_as(
        "SELECT worker_id, request_id, request_event_id, now()
           FROM read_models.worker_requests
          WHERE outcome = 'pending' AND deadline < now()
          LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    let reason = "nothing was heard of it by its deadline";
    Ok(found
        .into_iter()
        .map(|pending| pending.resolve("request_timed_out", Outcome::TimedOut, reason.to_owned()))
        .collect())
}

fn fulfilled(pending: Pending, reason: &str) -> Finding<WorkerCommand> {
    let outcome = Outcome::Fulfilled { game_server_instance_id: None };
    pending.resolve("request_fulfilled", outcome, reason.to_owned())
}
