//! `game_server_instances`: what runs where, with which status it is shown, and how it ended.

use domain::game_server_instance::{
    InstanceClosedBy, InstanceEvent, InstanceLostBy, Progress, StatusDetail,
};
use domain::{Aggregate, Event, GameServerInstance, Instant, StatusType};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::ProjectionInfo;
use super::bulk::Bulk;
use super::rows::{Known, Row, Touch, column};
use crate::decoded::Decoded;
use crate::shown::ShownStatus;

/// One instance.
#[derive(Debug, FromRow)]
pub(crate) struct InstanceRow {
    game_server_instance_id: i32,
    game_server_config_id: i32,
    game_server_id: i32,
    worker_id: i32,
    created_date: Instant,
    end_date: Option<Instant>,
    end_cause: Option<String>,
    status: Option<String>,
    status_as_of: Option<Instant>,
    status_class: Option<String>,
    status_info_id: Option<i32>,
    status_event_id: Option<Uuid>,
    lost_by: Option<String>,
    has_crashed: bool,
    created_position: i64,
    pid: Option<i32>,
    exit_code: Option<i32>,
    exit_signal: Option<i32>,
    status_reason: Option<String>,
    last_lines: Option<Vec<String>>,
    progress_phase: Option<String>,
    progress_percent: Option<i32>,
    progress_bytes_done: Option<i64>,
    progress_bytes_total: Option<i64>,
    position: i64,
}

pub(crate) enum InstanceChange {
    Shown {
        status: ShownStatus,
        lost_by: Option<InstanceLostBy>,
        detail: Option<StatusDetail>,
    },
    /// A report that changes no status tells which process it was.
    Ran {
        pid: i32,
    },
    Progressed(Progress),
    Closed {
        at: Instant,
        by: InstanceClosedBy,
    },
}

impl InstanceRow {
    /// What is told with a status stays until something else is told: the process id of a game server
    /// that ended is still the one it had.
    fn learn(&mut self, detail: StatusDetail) {
        let StatusDetail { pid, reason, exit_code, signal, last_lines } = detail;
        self.pid = pid.or(self.pid);
        self.exit_code = exit_code.or(self.exit_code);
        self.exit_signal = signal.or(self.exit_signal);
        self.status_reason = reason.or(self.status_reason.take());
        if !last_lines.is_empty() {
            self.last_lines = Some(last_lines);
        }
    }

    fn progress(&mut self, progress: Option<Progress>) {
        self.progress_percent = progress.as_ref().and_then(|it| it.percent).map(i32::from);
        self.progress_bytes_done = progress.as_ref().and_then(|it| it.bytes_done);
        self.progress_bytes_total = progress.as_ref().and_then(|it| it.bytes_total);
        self.progress_phase = progress.map(|it| it.phase);
    }
}

fn lost_by_word(by: InstanceLostBy) -> &'static str {
    match by {
        InstanceLostBy::Worker => "worker",
        InstanceLostBy::Silence => "silence",
    }
}

fn cause(by: &InstanceClosedBy) -> &'static str {
    match by {
        InstanceClosedBy::Shutdown => "shutdown",
        InstanceClosedBy::WorkerClosed => "worker closed",
    }
}

const INSERT: &str = "
    INSERT INTO game_server_instances AS stored
           (game_server_instance_id, game_server_config_id, game_server_id, worker_id,
            created_date, end_date, end_cause, status, status_as_of, status_class,
            status_info_id, status_event_id, lost_by, has_crashed, created_position, pid,
            exit_code, exit_signal, status_reason, last_lines, progress_phase,
            progress_percent, progress_bytes_done, progress_bytes_total, position)
    SELECT new.id, new.config_id, new.game_server_id, new.worker_id, new.created_date,
           new.end_date, new.end_cause, new.status, new.status_as_of, new.status_class,
           new.status_info_id, new.status_event_id, new.lost_by, new.has_crashed,
           new.created_position, new.pid, new.exit_code, new.exit_signal, new.status_reason,
           CASE WHEN new.last_lines IS NOT NULL THEN ARRAY(
               SELECT line FROM json_array_elements_text(new.last_lines)
                                WITH ORDINALITY AS l (line, place)
                ORDER BY place) END,
           new.progress_phase, new.progress_percent, new.progress_bytes_done,
           new.progress_bytes_total, new.position
      FROM unnest($1::int[], $2::int[], $3::int[], $4::int[], $5::timestamptz[],
                  $6::timestamptz[], $7::text[], $8::text[], $9::timestamptz[], $10::text[],
                  $11::int[], $12::uuid[], $13::text[], $14::boolean[], $15::bigint[],
                  $16::int[], $17::int[], $18::int[], $19::text[], $20::json[], $21::text[],
                  $22::int[], $23::bigint[], $24::bigint[], $25::bigint[])
           AS new (id, config_id, game_server_id, worker_id, created_date, end_date, end_cause,
                   status, status_as_of, status_class, status_info_id, status_event_id, lost_by,
                   has_crashed, created_position, pid, exit_code, exit_signal, status_reason,
                   last_lines, progress_phase, progress_percent, progress_bytes_done,
                   progress_bytes_total, position)";

const REPLACE: &str = "
    ON CONFLICT (game_server_instance_id) DO UPDATE
       SET game_server_config_id = excluded.game_server_config_id,
           game_server_id = excluded.game_server_id, worker_id = excluded.worker_id,
           created_date = excluded.created_date, end_date = excluded.end_date,
           end_cause = excluded.end_cause, status = excluded.status,
           status_as_of = excluded.status_as_of, status_class = excluded.status_class,
           status_info_id = excluded.status_info_id,
           status_event_id = excluded.status_event_id, lost_by = excluded.lost_by,
           has_crashed = excluded.has_crashed, created_position = excluded.created_position,
           pid = excluded.pid, exit_code = excluded.exit_code,
           exit_signal = excluded.exit_signal, status_reason = excluded.status_reason,
           last_lines = excluded.last_lines, progress_phase = excluded.progress_phase,
           progress_percent = excluded.progress_percent,
           progress_bytes_done = excluded.progress_bytes_done,
           progress_bytes_total = excluded.progress_bytes_total,
           position = excluded.position
     WHERE stored.position < excluded.position";

const BULK: Bulk<InstanceRow> = Bulk {
    columns: "game_server_instance_id, game_server_config_id, game_server_id, worker_id, \
              created_date, end_date, end_cause, status, status_as_of, status_class, \
              status_info_id, status_event_id, lost_by, has_crashed, created_position, pid, \
              exit_code, exit_signal, status_reason, last_lines, progress_phase, progress_percent, \
              progress_bytes_done, progress_bytes_total, position",
    encode: |row, to| {
        to.int(Some(row.game_server_instance_id));
        to.int(Some(row.game_server_config_id));
        to.int(Some(row.game_server_id));
        to.int(Some(row.worker_id));
        to.instant(Some(row.created_date));
        to.instant(row.end_date);
        to.text(row.end_cause.as_deref());
        to.text(row.status.as_deref());
        to.instant(row.status_as_of);
        to.text(row.status_class.as_deref());
        to.int(row.status_info_id);
        to.uuid(row.status_event_id);
        to.text(row.lost_by.as_deref());
        to.boolean(row.has_crashed);
        to.bigint(Some(row.created_position));
        to.int(row.pid);
        to.int(row.exit_code);
        to.int(row.exit_signal);
        to.text(row.status_reason.as_deref());
        to.texts(row.last_lines.as_deref());
        to.text(row.progress_phase.as_deref());
        to.int(row.progress_percent);
        to.bigint(row.progress_bytes_done);
        to.bigint(row.progress_bytes_total);
        to.bigint(Some(row.position));
    },
};

impl Row for InstanceRow {
    type Key = i32;
    type Change = InstanceChange;
    const INFO: ProjectionInfo = ProjectionInfo {
        name: "game_server_instances",
        version: 1,
        aggregates: &[GameServerInstance::TYPE],
        tables: &["game_server_instances"],
    };
    const BULK: Option<Bulk<Self>> = Some(BULK);

    fn touch(event: &Decoded) -> Option<Touch<Self>> {
        let Event::Instance(instance_event) = &event.event else { return None };
        let shown = |lost_by, detail: Option<&StatusDetail>| {
            let (status, detail) = (ShownStatus::after(event)?, detail.cloned());
            Some(Touch::Changed(event.entity_id, InstanceChange::Shown { status, lost_by, detail }))
        };
        match instance_event {
            InstanceEvent::InstanceCreated {
                game_server_instance_id,
                game_server_config_id,
                game_server_id,
                worker_id,
                created_at,
            } => Some(Touch::Born(Self {
                game_server_instance_id: game_server_instance_id.0,
                game_server_config_id: game_server_config_id.0,
                game_server_id: game_server_id.0,
                worker_id: worker_id.0,
                created_date: *created_at,
                end_date: None,
                end_cause: None,
                status: None,
                status_as_of: None,
                status_class: None,
                status_info_id: None,
                status_event_id: None,
                lost_by: None,
                has_crashed: false,
                created_position: event.position().0,
                pid: None,
                exit_code: None,
                exit_signal: None,
                status_reason: None,
                last_lines: None,
                progress_phase: None,
                progress_percent: None,
                progress_bytes_done: None,
                progress_bytes_total: None,
                position: event.position().0,
            })),
            InstanceEvent::InstanceStatusReported { detail, .. } => {
                let detail = detail.as_ref();
                let ran = || {
                    let pid = detail?.pid?;
                    Some(Touch::Changed(event.entity_id, InstanceChange::Ran { pid }))
                };
                shown(None, detail).or_else(ran)
            }
            InstanceEvent::InstanceLost { by, .. } => shown(Some(*by), None),
            InstanceEvent::InstanceRecovered { .. }
            | InstanceEvent::InstanceStatusConcluded { .. } => shown(None, None),
            InstanceEvent::InstanceProgressed {
                phase,
                percent,
                bytes_done,
                bytes_total,
                as_of: _,
            } => {
                let progress = Progress {
                    phase: phase.clone(),
                    percent: *percent,
                    bytes_done: *bytes_done,
                    bytes_total: *bytes_total,
                };
                Some(Touch::Changed(event.entity_id, InstanceChange::Progressed(progress)))
            }
            InstanceEvent::InstanceClosed { closed_at, by } => {
                let closed = InstanceChange::Closed { at: *closed_at, by: by.clone() };
                Some(Touch::Changed(event.entity_id, closed))
            }
        }
    }

    fn apply(&mut self, change: InstanceChange) {
        match change {
            InstanceChange::Shown { status, lost_by, detail } => {
                self.has_crashed |= status.status == StatusType::Crashed;
                self.status = Some(status.status.as_str().to_owned());
                self.status_as_of = Some(status.as_of);
                self.status_class = Some(status.class_name.to_owned());
                self.status_info_id = Some(status.status_info_id);
                self.status_event_id = Some(status.event_id);
                self.lost_by = lost_by.map(|by| lost_by_word(by).to_owned());
                if status.status != StatusType::Initializing {
                    self.progress(None);
                }
                self.learn(detail.unwrap_or_default());
            }
            InstanceChange::Ran { pid } => {
                self.pid.get_or_insert(pid);
            }
            InstanceChange::Progressed(progress) => self.progress(Some(progress)),
            InstanceChange::Closed { at, by } => {
                self.end_date = Some(at);
                self.end_cause = Some(cause(&by).to_owned());
            }
        }
    }

    fn key(&self) -> i32 {
        self.game_server_instance_id
    }

    fn position(&mut self) -> &mut i64 {
        &mut self.position
    }

    async fn load(connection: &mut PgConnection, keys: &[i32]) -> sqlx::Result<Vec<Self>> {
        sqlx::query_as(
            "SELECT game_server_instance_id, game_server_config_id, game_server_id, worker_id,
                    created_date, end_date, end_cause, status, status_as_of, status_class,
                    status_info_id, status_event_id, lost_by, has_crashed,
                    created_position, pid, exit_code, exit_signal, status_reason, last_lines,
                    progress_phase, progress_percent, progress_bytes_done, progress_bytes_total,
                    position
               FROM game_server_instances WHERE game_server_instance_id = ANY ($1)",
        )
        .bind(keys)
        .fetch_all(connection)
        .await
    }

    /// Lines travel as JSON: an array of arrays would have to be rectangular.
    async fn write(
        connection: &mut PgConnection,
        rows: &[&Self],
        known: Known,
    ) -> sqlx::Result<()> {
        sqlx::query(&known.statement(INSERT, REPLACE))
            .bind(column(rows, |row| row.game_server_instance_id))
            .bind(column(rows, |row| row.game_server_config_id))
            .bind(column(rows, |row| row.game_server_id))
            .bind(column(rows, |row| row.worker_id))
            .bind(column(rows, |row| row.created_date))
            .bind(column(rows, |row| row.end_date))
            .bind(column(rows, |row| row.end_cause.as_deref()))
            .bind(column(rows, |row| row.status.as_deref()))
            .bind(column(rows, |row| row.status_as_of))
            .bind(column(rows, |row| row.status_class.as_deref()))
            .bind(column(rows, |row| row.status_info_id))
            .bind(column(rows, |row| row.status_event_id))
            .bind(column(rows, |row| row.lost_by.as_deref()))
            .bind(column(rows, |row| row.has_crashed))
            .bind(column(rows, |row| row.created_position))
            .bind(column(rows, |row| row.pid))
            .bind(column(rows, |row| row.exit_code))
            .bind(column(rows, |row| row.exit_signal))
            .bind(column(rows, |row| row.status_reason.as_deref()))
            .bind(column(rows, |row| row.last_lines.as_ref().map(sqlx::types::Json)))
            .bind(column(rows, |row| row.progress_phase.as_deref()))
            .bind(column(rows, |row| row.progress_percent))
            .bind(column(rows, |row| row.progress_bytes_done))
            .bind(column(rows, |row| row.progress_bytes_total))
            .bind(column(rows, |row| row.position))
            .execute(connection)
            .await?;
        Ok(())
    }
}
