//! An event as the messages it becomes.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::worker::WorkerEvent;
use domain::{Event, GameServerInstanceId, Instant, RequestId};
use messaging::contract::{self, Command, EntityType, ExternalStatusInfo};
use messaging::{Outgoing, Topology};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::decoded::Decoded;
use crate::shown::ShownStatus;

/// A message, and the worker it is a command to, if it is one.
pub(super) struct Message {
    pub(super) outgoing: Outgoing,
    pub(super) command_to: Option<i32>,
}

/// An event as subscribers of the domain events get it.
#[derive(Serialize)]
struct Envelope<'a> {
    position: i64,
    event_id: Uuid,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: i64,
    event_type: &'a str,
    event_version: &'a str,
    #[serde(serialize_with = "rfc3339")]
    recorded_at: DateTime<Utc>,
    metadata: &'a RawValue,
    payload: &'a RawValue,
}

fn rfc3339<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The messages of one event: the event itself, then what today's workers and subscribers know.
pub(super) fn messages(
    topology: &Topology,
    event: &Decoded,
) -> Result<impl Iterator<Item = Message>, serde_json::Error> {
    let plain = |outgoing| Message { outgoing, command_to: None };
    let command = match request(event) {
        Some(request) => Some(Message {
            outgoing: command(topology, event, &request)?,
            command_to: Some(event.entity_id),
        }),
        None => None,
    };
    let status = match ShownStatus::after(event) {
        Some(shown) => Some(plain(external_status(topology, event, &shown)?)),
        None => None,
    };
    Ok([Some(plain(domain_event(topology, event)?)), command, status].into_iter().flatten())
}

fn domain_event(topology: &Topology, event: &Decoded) -> Result<Outgoing, serde_json::Error> {
    let recorded = &event.recorded;
    let envelope = Envelope {
        position: recorded.position.0,
        event_id: recorded.event_id,
        aggregate_type: &recorded.aggregate_type,
        aggregate_id: &recorded.aggregate_id,
        sequence: recorded.sequence,
        event_type: &recorded.event_type,
        event_version: &recorded.event_version,
        recorded_at: recorded.recorded_at,
        metadata: serde_json::from_str(&recorded.metadata)?,
        payload: serde_json::from_str(&recorded.payload)?,
    };
    Ok(Outgoing::domain_event(
        topology,
        (&recorded.aggregate_type, &recorded.aggregate_id, &recorded.event_type),
        serde_json::to_vec(&envelope)?,
        recorded.event_id,
        recorded.recorded_at,
    ))
}

fn command(
    topology: &Topology,
    event: &Decoded,
    request: &Request,
) -> Result<Outgoing, serde_json::Error> {
    let command = Outgoing::command(
        topology,
        (EntityType::Worker, event.entity_id),
        &request.command,
        event.recorded.event_id,
        event.recorded.recorded_at,
    )?;
    let instance = request.instance.map(|id| id.0);
    Ok(command.for_request(request.request_id.0, request.deadline, instance))
}

/// What the event tells its worker to do.
struct Request {
    request_id: RequestId,
    deadline: Instant,
    /// In v1's words.
    command: Command,
    /// v1 has no words for this.
    instance: Option<GameServerInstanceId>,
}

fn request(event: &Decoded) -> Option<Request> {
    let request = |request_id, deadline, command| {
        Some(Request { request_id, deadline, command, instance: None })
    };
    match &event.event {
        Event::Worker(event) => match event {
            WorkerEvent::StartRequested { request_id, game_server_config_id, deadline, .. } => {
                request(*request_id, *deadline, Command::start(game_server_config_id.0))
            }
            WorkerEvent::StopRequested { request_id, game_server_config_id, deadline, .. } => {
                request(*request_id, *deadline, Command::stop(game_server_config_id.0))
            }
            WorkerEvent::StdinSent {
                request_id,
                game_server_config_id,
                game_server_instance_id,
                words,
                deadline,
                requested_at: _,
            } => Some(Request {
                request_id: *request_id,
                deadline: *deadline,
                command: Command::stdin(game_server_config_id.0, words.iter().cloned()),
                instance: *game_server_instance_id,
            }),
            WorkerEvent::ShutdownRequested { request_id, deadline, .. } => {
                request(*request_id, *deadline, Command::shut_down())
            }
            WorkerEvent::WorkerRegistered { .. }
            | WorkerEvent::AgentAttached { .. }
            | WorkerEvent::WorkerStatusReported { .. }
            | WorkerEvent::WorkerLost { .. }
            | WorkerEvent::WorkerRecovered { .. }
            | WorkerEvent::WorkerClosed { .. }
            | WorkerEvent::WorkerStatusConcluded { .. }
            | WorkerEvent::RequestFulfilled { .. }
            | WorkerEvent::RequestRefused { .. }
            | WorkerEvent::RequestFailed { .. }
            | WorkerEvent::RequestTimedOut { .. } => None,
        },
        Event::Instance(_)
        | Event::GameServer(_)
        | Event::Config(_)
        | Event::Subscription(_)
        | Event::DeadLetter(_) => None,
    }
}

fn external_status(
    topology: &Topology,
    event: &Decoded,
    shown: &ShownStatus,
) -> Result<Outgoing, serde_json::Error> {
    let reported = ExternalStatusInfo::reported(
        shown.entity,
        event.entity_id,
        on_the_wire(shown.status),
        shown.as_of,
        shown.status_info_id.into(),
    );
    let status = ExternalStatusInfo { class_name: shown.class_name.to_owned(), ..reported };
    Outgoing::external_status(
        topology,
        (shown.entity, event.entity_id),
        &status,
        event.recorded.event_id,
        event.recorded.recorded_at,
    )
}

fn on_the_wire(status: domain::StatusType) -> contract::StatusType {
    match status {
        domain::StatusType::Created => contract::StatusType::Created,
        domain::StatusType::Initializing => contract::StatusType::Initializing,
        domain::StatusType::Running => contract::StatusType::Running,
        domain::StatusType::Lost => contract::StatusType::Lost,
        domain::StatusType::Complete => contract::StatusType::Complete,
        domain::StatusType::Crashed => contract::StatusType::Crashed,
    }
}
