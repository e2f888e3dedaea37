//! `workers`: who registered, with which status it is shown, and how it ended.

use domain::worker::{Surface, WorkerClosedBy, WorkerEvent};
use domain::{Aggregate, Event, Instant, Worker};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::ProjectionInfo;
use super::rows::{Known, Row, Touch, column};
use crate::decoded::Decoded;
use crate::shown::ShownStatus;

/// One worker.
#[derive(Debug, FromRow)]
pub(crate) struct WorkerRow {
    worker_id: i32,
    surface: String,
    name: Option<String>,
    created_date: Instant,
    end_date: Option<Instant>,
    end_cause: Option<String>,
    status: Option<String>,
    status_as_of: Option<Instant>,
    status_class: Option<String>,
    status_info_id: Option<i32>,
    status_event_id: Option<Uuid>,
    closed_event_id: Option<Uuid>,
    agent_id: Option<Uuid>,
    agent_version: Option<String>,
    attached_at: Option<Instant>,
    position: i64,
}

pub(crate) enum WorkerChange {
    Attached { agent_id: Uuid, agent_version: String, at: Instant },
    Shown(ShownStatus),
    Closed { at: Instant, cause: String, event_id: Uuid },
}

fn surface_word(surface: Surface) -> &'static str {
    match surface {
        Surface::V1 => "v1",
        Surface::Native => "native",
    }
}

fn cause(by: WorkerClosedBy) -> String {
    match by {
        WorkerClosedBy::Shutdown => "shutdown".to_owned(),
        WorkerClosedBy::SupersededBy(worker_id) => format!("superseded by worker {worker_id}"),
        WorkerClosedBy::LostTooLong => "lost too long".to_owned(),
    }
}

const INSERT: &str = "
    INSERT INTO workers AS stored
           (worker_id, surface, name, created_date, end_date, end_cause, status, status_as_of,
            status_class, status_info_id, status_event_id, closed_event_id, agent_id,
            agent_version, attached_at, position)
    SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[],
            $5::timestamptz[], $6::text[], $7::text[], $8::timestamptz[], $9::text[],
            $10::int[], $11::uuid[], $12::uuid[], $13::uuid[], $14::text[], $15::timestamptz[],
            $16::bigint[])";

const REPLACE: &str = "
    ON CONFLICT (worker_id) DO UPDATE
       SET surface = excluded.surface, name = excluded.name,
           created_date = excluded.created_date, end_date = excluded.end_date,
           end_cause = excluded.end_cause, status = excluded.status,
           status_as_of = excluded.status_as_of, status_class = excluded.status_class,
           status_info_id = excluded.status_info_id,
           status_event_id = excluded.status_event_id,
           closed_event_id = excluded.closed_event_id, agent_id = excluded.agent_id,
           agent_version = excluded.agent_version, attached_at = excluded.attached_at,
           position = excluded.position
     WHERE stored.position < excluded.position";

impl Row for WorkerRow {
    type Key = i32;
    type Change = WorkerChange;
    const INFO: ProjectionInfo = ProjectionInfo {
        name: "workers",
        version: 1,
        aggregates: &[Worker::TYPE],
        tables: &["workers"],
    };

    fn touch(event: &Decoded) -> Option<Touch<Self>> {
        let Event::Worker(worker_event) = &event.event else { return None };
        match worker_event {
            WorkerEvent::WorkerRegistered { worker_id, surface, name, registered_at } => {
                Some(Touch::Born(Self {
                    worker_id: worker_id.0,
                    surface: surface_word(*surface).to_owned(),
                    name: name.clone(),
                    created_date: *registered_at,
                    end_date: None,
                    end_cause: None,
                    status: None,
                    status_as_of: None,
                    status_class: None,
                    status_info_id: None,
                    status_event_id: None,
                    closed_event_id: None,
                    agent_id: None,
                    agent_version: None,
                    attached_at: None,
                    position: event.position().0,
                }))
            }
            WorkerEvent::AgentAttached { agent_id, agent_version, attached_at } => {
                let attached = WorkerChange::Attached {
                    agent_id: *agent_id,
                    agent_version: agent_version.clone(),
                    at: *attached_at,
                };
                Some(Touch::Changed(event.entity_id, attached))
            }
            WorkerEvent::WorkerStatusReported { .. }
            | WorkerEvent::WorkerLost { .. }
            | WorkerEvent::WorkerRecovered { .. }
            | WorkerEvent::WorkerStatusConcluded { .. } => {
                let shown = WorkerChange::Shown(ShownStatus::after(event)?);
                Some(Touch::Changed(event.entity_id, shown))
            }
            WorkerEvent::WorkerClosed { closed_at, by, name: _ } => {
                let closed = WorkerChange::Closed {
                    at: *closed_at,
                    cause: cause(*by),
                    event_id: event.recorded.event_id,
                };
                Some(Touch::Changed(event.entity_id, closed))
            }
            // Requests are shown by `worker_requests`.
            WorkerEvent::StartRequested { .. }
            | WorkerEvent::StopRequested { .. }
            | WorkerEvent::StdinSent { .. }
            | WorkerEvent::ShutdownRequested { .. }
            | WorkerEvent::RequestFulfilled { .. }
            | WorkerEvent::RequestRefused { .. }
            | WorkerEvent::RequestFailed { .. }
            | WorkerEvent::RequestTimedOut { .. } => None,
        }
    }

    fn apply(&mut self, change: WorkerChange) {
        match change {
            WorkerChange::Attached { agent_id, agent_version, at } => {
                self.agent_id = Some(agent_id);
                self.agent_version = Some(agent_version);
                self.attached_at = Some(at);
            }
            WorkerChange::Shown(shown) => {
                self.status = Some(shown.status.as_str().to_owned());
                self.status_as_of = Some(shown.as_of);
                self.status_class = Some(shown.class_name.to_owned());
                self.status_info_id = Some(shown.status_info_id);
                self.status_event_id = Some(shown.event_id);
            }
            WorkerChange::Closed { at, cause, event_id } => {
                self.end_date = Some(at);
                self.end_cause = Some(cause);
                self.closed_event_id = Some(event_id);
            }
        }
    }

    fn key(&self) -> i32 {
        self.worker_id
    }

    fn position(&mut self) -> &mut i64 {
        &mut self.position
    }

    async fn load(connection: &mut PgConnection, keys: &[i32]) -> sqlx::Result<Vec<Self>> {
        sqlx::query_as(
            "SELECT worker_id, surface, name, created_date, end_date, end_cause, status, status_as_of,
                    status_class, status_info_id, status_event_id, closed_event_id, agent_id,
                    agent_version, attached_at, position
               FROM workers WHERE worker_id = ANY ($1)",
        )
        .bind(keys)
        .fetch_all(connection)
        .await
    }

    async fn write(
        connection: &mut PgConnection,
        rows: &[&Self],
        known: Known,
    ) -> sqlx::Result<()> {
        sqlx::query(&known.statement(INSERT, REPLACE))
            .bind(column(rows, |row| row.worker_id))
            .bind(column(rows, |row| row.surface.as_str()))
            .bind(column(rows, |row| row.name.as_deref()))
            .bind(column(rows, |row| row.created_date))
            .bind(column(rows, |row| row.end_date))
            .bind(column(rows, |row| row.end_cause.as_deref()))
            .bind(column(rows, |row| row.status.as_deref()))
            .bind(column(rows, |row| row.status_as_of))
            .bind(column(rows, |row| row.status_class.as_deref()))
            .bind(column(rows, |row| row.status_info_id))
            .bind(column(rows, |row| row.status_event_id))
            .bind(column(rows, |row| row.closed_event_id))
            .bind(column(rows, |row| row.agent_id))
            .bind(column(rows, |row| row.agent_version.as_deref()))
            .bind(column(rows, |row| row.attached_at))
            .bind(column(rows, |row| row.position))
            .execute(connection)
            .await?;
        Ok(())
    }
}
