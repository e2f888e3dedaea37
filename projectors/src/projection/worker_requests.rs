//! `worker_requests`: what was asked of workers, by whom, and how it ended.

use domain::worker::WorkerEvent;
use domain::{Aggregate, Event, Instant, RequestId, Worker};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::ProjectionInfo;
use super::bulk::Bulk;
use super::rows::{Known, Row, Touch, column};
use crate::decoded::Decoded;

/// One request.
#[derive(Debug, FromRow)]
pub(crate) struct RequestRow {
    request_id: Uuid,
    worker_id: i32,
    kind: String,
    game_server_config_id: Option<i32>,
    game_server_instance_id: Option<i32>,
    words: Option<Vec<String>>,
    requested_at: Instant,
    requested_by: String,
    request_event_id: Uuid,
    deadline: Instant,
    outcome: String,
    reason: Option<String>,
    resolved_at: Option<Instant>,
    position: i64,
}

/// How a request ended.
pub(crate) struct Resolved {
    outcome: &'static str,
    reason: Option<String>,
    /// The instance that shows it; the one the sender meant stays where there is none.
    game_server_instance_id: Option<i32>,
    at: Instant,
}

impl RequestRow {
    fn pending(
        event: &Decoded,
        kind: &str,
        request_id: RequestId,
        game_server_config_id: Option<i32>,
        (requested_at, deadline): (Instant, Instant),
    ) -> Self {
        Self {
            request_id: request_id.0,
            worker_id: event.entity_id,
            kind: kind.to_owned(),
            game_server_config_id,
            game_server_instance_id: None,
            words: None,
            requested_at,
            requested_by: event.requested_by.clone().unwrap_or_default(),
            request_event_id: event.recorded.event_id,
            deadline,
            outcome: "pending".to_owned(),
            reason: None,
            resolved_at: None,
            position: event.position().0,
        }
    }
}

fn resolved(
    request_id: RequestId,
    outcome: &'static str,
    reason: Option<&String>,
    at: Instant,
) -> Option<Touch<RequestRow>> {
    let resolved = Resolved { outcome, reason: reason.cloned(), game_server_instance_id: None, at };
    Some(Touch::Changed(request_id.0, resolved))
}

const INSERT: &str = "
    INSERT INTO worker_requests AS stored
           (request_id, worker_id, kind, game_server_config_id, game_server_instance_id, words,
            requested_at, requested_by, request_event_id, deadline, outcome, reason,
            resolved_at, position)
    SELECT new.request_id, new.worker_id, new.kind, new.config_id, new.instance_id,
           CASE WHEN new.words IS NOT NULL THEN ARRAY(
               SELECT word FROM json_array_elements_text(new.words) WITH ORDINALITY AS w (word, place)
                ORDER BY place) END,
           new.requested_at, new.requested_by, new.request_event_id, new.deadline,
           new.outcome, new.reason, new.resolved_at, new.position
      FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::int[], $6::json[],
                  $7::timestamptz[], $8::text[], $9::uuid[], $10::timestamptz[], $11::text[],
                  $12::text[], $13::timestamptz[], $14::bigint[])
           AS new (request_id, worker_id, kind, config_id, instance_id, words, requested_at,
                   requested_by, request_event_id, deadline, outcome, reason, resolved_at, position)";

const REPLACE: &str = "
    ON CONFLICT (request_id) DO UPDATE
       SET worker_id = excluded.worker_id, kind = excluded.kind,
           game_server_config_id = excluded.game_server_config_id,
           game_server_instance_id = excluded.game_server_instance_id,
           words = excluded.words, requested_at = excluded.requested_at,
           requested_by = excluded.requested_by,
           request_event_id = excluded.request_event_id, deadline = excluded.deadline,
           outcome = excluded.outcome, reason = excluded.reason,
           resolved_at = excluded.resolved_at, position = excluded.position
     WHERE stored.position < excluded.position";

const BULK: Bulk<RequestRow> = Bulk {
    columns: "request_id, worker_id, kind, game_server_config_id, game_server_instance_id, words, \
              requested_at, requested_by, request_event_id, deadline, outcome, reason, \
              resolved_at, position",
    encode: |row, to| {
        to.uuid(Some(row.request_id));
        to.int(Some(row.worker_id));
        to.text(Some(&row.kind));
        to.int(row.game_server_config_id);
        to.int(row.game_server_instance_id);
        to.texts(row.words.as_deref());
        to.instant(Some(row.requested_at));
        to.text(Some(&row.requested_by));
        to.uuid(Some(row.request_event_id));
        to.instant(Some(row.deadline));
        to.text(Some(&row.outcome));
        to.text(row.reason.as_deref());
        to.instant(row.resolved_at);
        to.bigint(Some(row.position));
    },
};

impl Row for RequestRow {
    type Key = Uuid;
    type Change = Resolved;
    const INFO: ProjectionInfo = ProjectionInfo {
        name: "worker_requests",
        version: 1,
        aggregates: &[Worker::TYPE],
        tables: &["worker_requests"],
    };
    const BULK: Option<Bulk<Self>> = Some(BULK);

    fn touch(event: &Decoded) -> Option<Touch<Self>> {
        let Event::Worker(worker_event) = &event.event else { return None };
        match worker_event {
            WorkerEvent::StartRequested {
                request_id,
                game_server_config_id: config,
                requested_at,
                deadline,
            } => {
                let times = (*requested_at, *deadline);
                let row = Self::pending(event, "start", *request_id, Some(config.0), times);
                Some(Touch::Born(row))
            }
            WorkerEvent::StopRequested {
                request_id,
                game_server_config_id: config,
                requested_at,
                deadline,
            } => {
                let times = (*requested_at, *deadline);
                let row = Self::pending(event, "stop", *request_id, Some(config.0), times);
                Some(Touch::Born(row))
            }
            WorkerEvent::StdinSent {
                request_id,
                game_server_config_id: config,
                game_server_instance_id,
                words,
                requested_at,
                deadline,
            } => {
                let times = (*requested_at, *deadline);
                Some(Touch::Born(Self {
                    game_server_instance_id: game_server_instance_id.map(|id| id.0),
                    words: Some(words.clone()),
                    ..Self::pending(event, "stdin", *request_id, Some(config.0), times)
                }))
            }
            WorkerEvent::ShutdownRequested { request_id, requested_at, deadline } => {
                let times = (*requested_at, *deadline);
                let row = Self::pending(event, "shutdown", *request_id, None, times);
                Some(Touch::Born(row))
            }
            WorkerEvent::RequestFulfilled { request_id, game_server_instance_id, resolved_at } => {
                let resolved = Resolved {
                    outcome: "fulfilled",
                    reason: None,
                    game_server_instance_id: game_server_instance_id.map(|id| id.0),
                    at: *resolved_at,
                };
                Some(Touch::Changed(request_id.0, resolved))
            }
            WorkerEvent::RequestRefused { request_id, reason, resolved_at } => {
                resolved(*request_id, "refused", Some(reason), *resolved_at)
            }
            WorkerEvent::RequestFailed { request_id, reason, resolved_at } => {
                resolved(*request_id, "failed", Some(reason), *resolved_at)
            }
            WorkerEvent::RequestTimedOut { request_id, resolved_at } => {
                resolved(*request_id, "timed_out", None, *resolved_at)
            }
            // What the worker itself does is shown by `workers`.
            WorkerEvent::WorkerRegistered { .. }
            | WorkerEvent::AgentAttached { .. }
            | WorkerEvent::WorkerStatusReported { .. }
            | WorkerEvent::WorkerLost { .. }
            | WorkerEvent::WorkerRecovered { .. }
            | WorkerEvent::WorkerClosed { .. }
            | WorkerEvent::WorkerStatusConcluded { .. } => None,
        }
    }

    fn apply(&mut self, change: Resolved) {
        self.outcome = change.outcome.to_owned();
        self.reason = change.reason;
        self.resolved_at = Some(change.at);
        self.game_server_instance_id =
            change.game_server_instance_id.or(self.game_server_instance_id);
    }

    fn key(&self) -> Uuid {
        self.request_id
    }

    fn position(&mut self) -> &mut i64 {
        &mut self.position
    }

    async fn load(connection: &mut PgConnection, keys: &[Uuid]) -> sqlx::Result<Vec<Self>> {
        sqlx::query_as(
            "SELECT request_id, worker_id, kind, game_server_config_id, game_server_instance_id, words,
                    requested_at, requested_by, request_event_id, deadline, outcome, reason, resolved_at,
                    position
               FROM worker_requests WHERE request_id = ANY ($1)",
        )
        .bind(keys)
        .fetch_all(connection)
        .await
    }

    /// Words travel as JSON: an array of arrays would have to be rectangular.
    async fn write(
        connection: &mut PgConnection,
        rows: &[&Self],
        known: Known,
    ) -> sqlx::Result<()> {
        sqlx::query(&known.statement(INSERT, REPLACE))
            .bind(column(rows, |row| row.request_id))
            .bind(column(rows, |row| row.worker_id))
            .bind(column(rows, |row| row.kind.as_str()))
            .bind(column(rows, |row| row.game_server_config_id))
            .bind(column(rows, |row| row.game_server_instance_id))
            .bind(column(rows, |row| row.words.as_ref().map(sqlx::types::Json)))
            .bind(column(rows, |row| row.requested_at))
            .bind(column(rows, |row| row.requested_by.as_str()))
            .bind(column(rows, |row| row.request_event_id))
            .bind(column(rows, |row| row.deadline))
            .bind(column(rows, |row| row.outcome.as_str()))
            .bind(column(rows, |row| row.reason.as_deref()))
            .bind(column(rows, |row| row.resolved_at))
            .bind(column(rows, |row| row.position))
            .execute(connection)
            .await?;
        Ok(())
    }
}
