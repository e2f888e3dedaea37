//! A message as the report it is.

use chrono::SubsecRound;
use domain::game_server_instance::{InstanceReport, Progress, StatusDetail};
use domain::{StatusReport, StatusType};
use event_store::{Actor, Answer, CommandContext};
use messaging::contract::{self, EntityType, InternalStatusInfo};
use messaging::{Decision, Delivery};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The namespace of command ids made from a report's content. Any constant would do; it must not change.
const CONTENT_IDS: Uuid = Uuid::from_u128(0x5f0c_2a3e_9d1b_4c6f_8a27_e1b9_40d3_7756);
/// What is remembered of a recorded report beside its id. That id names nothing but a report.
const FINGERPRINT: &str = "status report";

/// Digits after the second that the wire and the read models have.
const MICROSECONDS: u16 = 6;

/// A status report, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) entity: EntityType,
    pub(super) id: i32,
    /// Of a worker only the status counts.
    pub(super) told: InstanceReport,
    /// The same for a redelivery and a redrive, so that either is recognised.
    command_id: Uuid,
    message_id: Option<Uuid>,
    /// By whom and why, if it had been given up on.
    retried: Option<String>,
}

/// Reads a message; the error is the reason a dead letter carries.
pub(super) fn read(delivery: &Delivery) -> Result<Report, String> {
    let info =
        InternalStatusInfo::parse(&delivery.body).map_err(|rejection| rejection.to_string())?;
    let id = info.id().map_err(|rejection| rejection.to_string())?;
    let message_id = delivery.message_id.as_deref().and_then(|id| Uuid::parse_str(id).ok());
    Ok(Report {
        entity: info.entity_type,
        id,
        command_id: message_id.unwrap_or_else(|| content_id(&info)),
        message_id,
        retried: Decision::to_retry(&delivery.headers).map(in_words),
        told: told(info, delivery.first_seen),
    })
}

fn in_words(retry: Decision) -> String {
    match retry.reason {
        Some(reason) => format!("retried by {}: {reason}", retry.actor),
        None => format!("retried by {}", retry.actor),
    }
}

fn told(info: InternalStatusInfo, first_seen: domain::Instant) -> InstanceReport {
    let status = StatusReport {
        status: in_the_domain(info.status_type),
        // What is shown of an instant is microseconds: two that look the same must be the same.
        as_of: info.as_of.trunc_subsecs(MICROSECONDS),
        received_at: first_seen.trunc_subsecs(MICROSECONDS),
    };
    let Some(contract::StatusDetail { pid, reason, exit_code, signal, last_lines, progress }) =
        info.detail
    else {
        return status.into();
    };
    let detail = StatusDetail { pid, reason, exit_code, signal, last_lines };
    let progress =
        progress.map(|contract::Progress { phase, percent, bytes_done, bytes_total }| Progress {
            phase,
            percent,
            bytes_done,
            bytes_total,
        });
    // With progress alone there is nothing else to tell.
    let detail = Some(detail).filter(|detail| *detail != StatusDetail::default());
    InstanceReport { status, detail, progress }
}

/// v1 workers send no message id. Two reports with the same content say the same thing.
fn content_id(info: &InternalStatusInfo) -> Uuid {
    let content = format!(
        "{}/{}/{}/{}",
        info.entity_type,
        info.identifier.trim(),
        info.status_type,
        contract::time::format_instant(info.as_of)
    );
    Uuid::new_v5(&CONTENT_IDS, content.as_bytes())
}

impl Report {
    /// The reporter is the actor: `worker/6`.
    pub(super) fn context(&self) -> CommandContext {
        let actor = Actor::agent(format!("{}/{}", self.entity, self.id));
        CommandContext {
            causation_id: self.message_id,
            reason: self.retried.clone(),
            answer: Some(Answer {
                fingerprint: FINGERPRINT.to_owned(),
                response: RawValue::NULL.to_owned(),
            }),
            ..CommandContext::new(actor, self.command_id)
        }
    }
}

fn in_the_domain(status: contract::StatusType) -> StatusType {
    match status {
        contract::StatusType::Created => StatusType::Created,
        contract::StatusType::Initializing => StatusType::Initializing,
        contract::StatusType::Running => StatusType::Running,
        contract::StatusType::Lost => StatusType::Lost,
        contract::StatusType::Complete => StatusType::Complete,
        contract::StatusType::Crashed => StatusType::Crashed,
    }
}

#[cfg(test)]
mod tests {
    use super::{InternalStatusInfo, content_id};

    fn id(body: &str) -> uuid::Uuid {
        content_id(&InternalStatusInfo::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn the_same_report_in_another_spelling_has_the_same_id() {
        let zulu = r#"{"entity_type":"worker","identifier":"6","as_of":"2026-01-02T03:04:05Z","status_type":"RUNNING"}"#;
        let offset = r#"{"as_of":"2026-01-02T04:04:05+01:00","status_type":"RUNNING","entity_type":"worker","identifier":"6"}"#;
        assert_eq!(id(zulu), id(offset));
    }

    #[test]
    fn another_status_instant_or_entity_has_another_id() {
        let report = r#"{"entity_type":"worker","identifier":"6","as_of":"2026-01-02T03:04:05Z","status_type":"RUNNING"}"#;
        for (old, new) in [
            ("worker", "game_server_instance"),
            (r#""6""#, r#""7""#),
            ("05Z", "05.000001Z"),
            ("RUNNING", "COMPLETE"),
        ] {
            assert_ne!(id(report), id(&report.replace(old, new)), "{new}");
        }
    }
}
