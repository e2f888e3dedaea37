//! The state of a worker and its rules.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::status::{is_news, last_reported};
use crate::{CurrentStatus, Instant, RequestId, Standing, StatusReport, StatusType, WorkerId};

use super::agent::{Agent, AttachedAgent, require_name};
use super::command::WorkerCommand;
use super::event::{Surface, WorkerClosedBy, WorkerEvent};
use super::refusal::WorkerRefusal;
use super::requests::{PendingRequest, RequestSummary};

/// A worker as its events tell it; without a registration it does not exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Who it is.
    pub registration: Option<Registration>,
    /// The agent that speaks as it; v1 workers have none.
    pub agent: Option<AttachedAgent>,
    /// How it ended, once it did.
    pub closure: Option<WorkerClosure>,
    /// The status shown; `None` until the first report or loss. An end is not yet a final status:
    /// on the v1 wire the report of it comes later.
    pub status: Option<CurrentStatus>,
    /// The reporter's own instant of its last report, as sent: what is older than that is outdated,
    /// whatever we observed since. Snapshots of before it was kept have none.
    #[serde(default)]
    pub reported_as_of: Option<Instant>,
    /// Requests without an outcome.
    pub pending: BTreeMap<RequestId, PendingRequest>,
}

/// Who a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Its id.
    pub worker_id: WorkerId,
    /// The surface it speaks.
    pub surface: Surface,
    /// Its stable name; v1 workers have none.
    pub name: Option<String>,
    /// When it registered, on our clock.
    pub registered_at: Instant,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerClosure {
    /// When, on our clock.
    pub closed_at: Instant,
    /// Why.
    pub by: WorkerClosedBy,
}

impl Worker {
    /// Whether it is registered and not closed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.registration.is_some() && self.closure.is_none()
    }

    /// What a command changes, as events; nothing is changed yet.
    ///
    /// A command that would change nothing (a loss declared twice, an outcome of a request that is
    /// no longer pending) is a success without events.
    ///
    /// # Errors
    /// The refusal, when the state or the command itself forbids it.
    pub fn decide(&self, command: WorkerCommand) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        match command {
            WorkerCommand::Register { worker_id, surface, name, agent, at } => {
                let registration = Registration { worker_id, surface, name, registered_at: at };
                self.register(registration, agent)
            }
            WorkerCommand::Attach { agent, at, last_heartbeat_at } => {
                self.attach(agent, at, last_heartbeat_at)
            }
            WorkerCommand::Heartbeat { agent_id } => self.heartbeat(agent_id),
            WorkerCommand::ReportStatus(report) => self.report_status(&report),
            WorkerCommand::DeclareLost { at, last_heartbeat_at } => {
                self.declare_lost(at, last_heartbeat_at)
            }
            WorkerCommand::DeclareRecovered { at } => self.declare_recovered(at),
            WorkerCommand::Close { at, by } => self.close(at, by),
            WorkerCommand::Conclude { at } => self.conclude(at),
            WorkerCommand::Request { request_id, request, at, deadline } => {
                self.request(request_id, request, at, deadline)
            }
            WorkerCommand::Resolve { request_id, outcome, at } => {
                self.resolve(request_id, outcome, at)
            }
        }
    }

    fn register(
        &self,
        registration: Registration,
        agent: Option<Agent>,
    ) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        if let Some(existing) = &self.registration {
            return Err(WorkerRefusal::AlreadyExists { worker_id: existing.worker_id });
        }
        let Registration { worker_id, surface, name, registered_at } = registration;
        name.as_deref().map_or(Ok(()), require_name)?;
        let registered = WorkerEvent::WorkerRegistered { worker_id, surface, name, registered_at };
        let attached = agent.map(|agent| agent.attached(registered_at));
        Ok(std::iter::once(registered).chain(attached).collect())
    }

    /// Closed workers may report: the final report comes after the goodbye.
    fn report_status(&self, report: &StatusReport) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        self.require_registered()?;
        if report.status == StatusType::Lost {
            return Err(WorkerRefusal::LostReported);
        }
        let (standing, as_of) =
            CurrentStatus::place(self.status.as_ref(), self.reported_as_of, report);
        Ok(vec![WorkerEvent::WorkerStatusReported {
            status: report.status,
            reported_as_of: report.as_of,
            as_of,
            standing,
        }])
    }

    fn declare_lost(
        &self,
        at: Instant,
        last_heartbeat_at: Option<Instant>,
    ) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        self.require_registered()?;
        let losable =
            self.status.is_none_or(|current| !current.is_lost() && !current.status.is_terminal());
        if !self.is_open() || !losable {
            return Ok(Vec::new());
        }
        Ok(vec![WorkerEvent::WorkerLost { as_of: self.next_as_of(at), last_heartbeat_at }])
    }

    fn declare_recovered(&self, at: Instant) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        self.require_registered()?;
        match self.status {
            Some(current) if current.is_lost() && self.is_open() => {
                Ok(vec![WorkerEvent::WorkerRecovered {
                    as_of: self.next_as_of(at),
                    status: current.after_loss(),
                }])
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// A worker that is lost will not report its end, so it is concluded at once; any other is
    /// expected to report, and its requests end here because nobody is left to carry them out.
    fn close(&self, at: Instant, by: WorkerClosedBy) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        let registration = self.require_registered()?;
        if let Some(closure) = self.closure {
            return Err(WorkerRefusal::AlreadyClosed {
                worker_id: registration.worker_id,
                closed_at: closure.closed_at,
            });
        }
        let mut events =
            vec![WorkerEvent::WorkerClosed { closed_at: at, by, name: registration.name.clone() }];
        if self.status.is_some_and(|current| current.is_lost()) {
            events.push(WorkerEvent::WorkerStatusConcluded { as_of: self.next_as_of(at) });
        }
        events.extend(self.outcomes_at_close(at, by));
        Ok(events)
    }

    fn conclude(&self, at: Instant) -> Result<Vec<WorkerEvent>, WorkerRefusal> {
        self.require_registered()?;
        let unfinished = self.status.is_some_and(|current| !current.status.is_terminal());
        if self.closure.is_none() || !unfinished {
            return Ok(Vec::new());
        }
        Ok(vec![WorkerEvent::WorkerStatusConcluded { as_of: self.next_as_of(at) }])
    }

    pub(super) fn require_registered(&self) -> Result<&Registration, WorkerRefusal> {
        self.registration.as_ref().ok_or(WorkerRefusal::NotFound)
    }

    pub(super) fn require_open(&self) -> Result<&Registration, WorkerRefusal> {
        let registration = self.require_registered()?;
        match self.closure {
            None => Ok(registration),
            Some(closure) => Err(WorkerRefusal::Gone {
                worker_id: registration.worker_id,
                closed_at: closure.closed_at,
            }),
        }
    }

    fn heard_late(&mut self, status: StatusType) {
        if let Some(current) = &mut self.status {
            current.heard_late(status);
        }
    }

    fn next_as_of(&self, now: Instant) -> Instant {
        CurrentStatus::next_as_of(self.status.as_ref(), now)
    }
}

impl Aggregate for Worker {
    const TYPE: &'static str = "worker";
    type Command = WorkerCommand;
    type Event = WorkerEvent;
    type Error = WorkerRefusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        match event {
            WorkerEvent::WorkerRegistered { worker_id, surface, name, registered_at } => {
                self.registration = Some(Registration { worker_id, surface, name, registered_at });
            }
            WorkerEvent::AgentAttached { agent_id, agent_version, attached_at } => {
                self.agent = Some(AttachedAgent { agent_id, agent_version, attached_at });
            }
            WorkerEvent::WorkerStatusReported { status, reported_as_of, as_of, standing } => {
                let is_news = is_news(self.reported_as_of, reported_as_of);
                self.reported_as_of = last_reported(self.reported_as_of, reported_as_of, standing);
                match standing {
                    Standing::Current => self.status = Some(CurrentStatus::observed(status, as_of)),
                    Standing::Outdated if is_news => self.heard_late(status),
                    Standing::Outdated | Standing::AfterTerminal => {}
                }
            }
            WorkerEvent::WorkerLost { as_of, .. } => {
                self.status = Some(CurrentStatus::lost(self.status.as_ref(), as_of));
            }
            WorkerEvent::WorkerRecovered { as_of, status } => {
                self.status = Some(CurrentStatus::observed(status, as_of));
            }
            WorkerEvent::WorkerClosed { closed_at, by, name: _ } => {
                self.closure = Some(WorkerClosure { closed_at, by });
            }
            WorkerEvent::WorkerStatusConcluded { as_of } => {
                self.status = Some(CurrentStatus::observed(StatusType::Complete, as_of));
            }
            WorkerEvent::StartRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            } => {
                let summary = RequestSummary::Start { game_server_config_id };
                self.remember(request_id, summary, requested_at, deadline);
            }
            WorkerEvent::StopRequested {
                request_id,
                game_server_config_id,
                requested_at,
                deadline,
            } => {
                let summary = RequestSummary::Stop { game_server_config_id };
                self.remember(request_id, summary, requested_at, deadline);
            }
            WorkerEvent::StdinSent {
                request_id,
                game_server_config_id,
                game_server_instance_id,
                requested_at,
                deadline,
                words: _,
            } => {
                let summary =
                    RequestSummary::Stdin { game_server_config_id, game_server_instance_id };
                self.remember(request_id, summary, requested_at, deadline);
            }
            WorkerEvent::ShutdownRequested { request_id, requested_at, deadline } => {
                self.remember(request_id, RequestSummary::Shutdown, requested_at, deadline);
            }
            WorkerEvent::RequestFulfilled { request_id, .. }
            | WorkerEvent::RequestRefused { request_id, .. }
            | WorkerEvent::RequestFailed { request_id, .. }
            | WorkerEvent::RequestTimedOut { request_id, .. } => {
                self.pending.remove(&request_id);
            }
        }
    }
}
