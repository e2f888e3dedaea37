//! The state of a game server instance and its rules.

use chrono::TimeDelta;
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::status::{is_news, last_reported};
use crate::{
    CurrentStatus, GameServerConfigId, GameServerId, GameServerInstanceId, Instant, Standing,
    StatusType, WorkerId,
};

use super::command::InstanceCommand;
use super::event::{InstanceClosedBy, InstanceEvent, InstanceLostBy};
use super::refusal::InstanceRefusal;

/// How long a repeated shutdown is taken for the first one sent again: the HTTP library of v1
/// workers silently repeats a PUT whose answer it did not get.
const REPEATED_SHUTDOWN: TimeDelta = TimeDelta::seconds(60);

/// An instance as its events tell it; without a run it does not exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GameServerInstance {
    /// What it runs, and where.
    pub run: Option<Run>,
    /// How it ended, once it did.
    pub closure: Option<InstanceClosure>,
    /// The status shown; `None` until the first report. An end is not yet a final status: on the
    /// v1 wire the report of it comes later.
    pub status: Option<CurrentStatus>,
    /// The reporter's own instant of its last report, as sent: what is older than that is outdated,
    /// whatever we observed since. Snapshots of before it was kept have none.
    #[serde(default)]
    pub reported_as_of: Option<Instant>,
    /// Why it is held lost, while it is: what is lost with its worker comes back with its worker.
    pub lost_by: Option<InstanceLostBy>,
    /// When its installation was last reported to have gone on, in the status shown.
    pub progressed_at: Option<Instant>,
}

/// What an instance runs, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub game_server_instance_id: GameServerInstanceId,
    /// The config it runs.
    pub game_server_config_id: GameServerConfigId,
    /// The game server of that config.
    pub game_server_id: GameServerId,
    /// The worker it runs on.
    pub worker_id: WorkerId,
    /// When it began, on our clock.
    pub created_at: Instant,
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceClosure {
    /// When, on our clock.
    pub closed_at: Instant,
    /// Why.
    pub by: InstanceClosedBy,
}

impl GameServerInstance {
    /// Whether it began and has not ended.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.run.is_some() && self.closure.is_none()
    }

    /// What a command changes, as events; nothing is changed yet.
    ///
    /// A command that would change nothing (a loss declared twice, a shutdown repeated at once) is
    /// a success without events.
    ///
    /// # Errors
    /// The refusal, when the state or the command itself forbids it.
    pub fn decide(&self, command: InstanceCommand) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        match command {
            InstanceCommand::Create {
                game_server_instance_id,
                game_server_config_id,
                game_server_id,
                worker_id,
                at,
            } => self.create(Run {
                game_server_instance_id,
                game_server_config_id,
                game_server_id,
                worker_id,
                created_at: at,
            }),
            InstanceCommand::ReportStatus(report) => self.report_status(report),
            InstanceCommand::DeclareLost { at, by, last_heartbeat_at } => {
                self.declare_lost(at, by, last_heartbeat_at)
            }
            InstanceCommand::DeclareRecovered { at } => self.declare_recovered(at),
            InstanceCommand::Close { at, by } => self.close(at, by),
            InstanceCommand::Conclude { at } => self.conclude(at),
        }
    }

    fn create(&self, run: Run) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        if let Some(existing) = self.run {
            return Err(InstanceRefusal::AlreadyExists {
                game_server_instance_id: existing.game_server_instance_id,
            });
        }
        Ok(vec![InstanceEvent::InstanceCreated {
            game_server_instance_id: run.game_server_instance_id,
            game_server_config_id: run.game_server_config_id,
            game_server_id: run.game_server_id,
            worker_id: run.worker_id,
            created_at: run.created_at,
        }])
    }

    /// Unlike a worker, an instance without a status is not lost: its first report may still wait
    /// for one of its worker's threads.
    fn declare_lost(
        &self,
        at: Instant,
        by: InstanceLostBy,
        last_heartbeat_at: Option<Instant>,
    ) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        self.require_run()?;
        let losable =
            self.status.is_some_and(|current| !current.is_lost() && !current.status.is_terminal());
        if !self.is_open() || !losable {
            return Ok(Vec::new());
        }
        Ok(vec![InstanceEvent::InstanceLost { as_of: self.next_as_of(at), by, last_heartbeat_at }])
    }

    /// An ended run does not come back, though v1 accepts heartbeats of closed instances.
    fn declare_recovered(&self, at: Instant) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        self.require_run()?;
        match self.status {
            Some(current) if current.is_lost() && self.is_open() => {
                Ok(vec![InstanceEvent::InstanceRecovered {
                    as_of: self.next_as_of(at),
                    status: current.after_loss(),
                }])
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    fn close(
        &self,
        at: Instant,
        by: InstanceClosedBy,
    ) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        let run = self.require_run()?;
        if let Some(closure) = &self.closure {
            return match (&closure.by, by) {
                // A worker refused here would keep the instance in its list for ever.
                (InstanceClosedBy::WorkerClosed, _) | (_, InstanceClosedBy::WorkerClosed) => {
                    Ok(Vec::new())
                }
                (InstanceClosedBy::Shutdown, InstanceClosedBy::Shutdown)
                    if at.signed_duration_since(closure.closed_at) <= REPEATED_SHUTDOWN =>
                {
                    Ok(Vec::new())
                }
                (InstanceClosedBy::Shutdown, InstanceClosedBy::Shutdown) => {
                    Err(InstanceRefusal::AlreadyClosed {
                        game_server_instance_id: run.game_server_instance_id,
                        closed_at: closure.closed_at,
                    })
                }
            };
        }
        let concluded = match by {
            InstanceClosedBy::Shutdown => None,
            InstanceClosedBy::WorkerClosed => self.conclusion(at),
        };
        let closed = InstanceEvent::InstanceClosed { closed_at: at, by };
        Ok(std::iter::once(closed).chain(concluded).collect())
    }

    fn conclude(&self, at: Instant) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        self.require_run()?;
        if self.closure.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.conclusion(at).into_iter().collect())
    }

    /// A final status, where there is one that is not final.
    fn conclusion(&self, at: Instant) -> Option<InstanceEvent> {
        let unfinished = self.status.is_some_and(|current| !current.status.is_terminal());
        unfinished.then(|| InstanceEvent::InstanceStatusConcluded { as_of: self.next_as_of(at) })
    }

    pub(super) fn require_run(&self) -> Result<&Run, InstanceRefusal> {
        self.run.as_ref().ok_or(InstanceRefusal::NotFound)
    }

    fn heard_late(&mut self, status: StatusType) {
        if let Some(current) = &mut self.status {
            current.heard_late(status);
        }
    }

    fn next_as_of(&self, now: Instant) -> Instant {
        CurrentStatus::next_as_of(self.status.as_ref(), now)
    }

    fn show(&mut self, status: StatusType, as_of: Instant) {
        self.status = Some(CurrentStatus::observed(status, as_of));
        self.lost_by = None;
        self.progressed_at = None;
    }
}

impl Aggregate for GameServerInstance {
    const TYPE: &'static str = "game_server_instance";
    type Command = InstanceCommand;
    type Event = InstanceEvent;
    type Error = InstanceRefusal;
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
            InstanceEvent::InstanceCreated {
                game_server_instance_id,
                game_server_config_id,
                game_server_id,
                worker_id,
                created_at,
            } => {
                self.run = Some(Run {
                    game_server_instance_id,
                    game_server_config_id,
                    game_server_id,
                    worker_id,
                    created_at,
                });
            }
            InstanceEvent::InstanceStatusReported {
                status,
                reported_as_of,
                as_of,
                standing,
                detail: _,
            } => {
                let is_news = is_news(self.reported_as_of, reported_as_of);
                self.reported_as_of = last_reported(self.reported_as_of, reported_as_of, standing);
                match standing {
                    Standing::Current => self.show(status, as_of),
                    Standing::Outdated if is_news => self.heard_late(status),
                    Standing::Outdated | Standing::AfterTerminal => {}
                }
            }
            InstanceEvent::InstanceProgressed { as_of, .. } => self.progressed_at = Some(as_of),
            InstanceEvent::InstanceLost { as_of, by, .. } => {
                self.status = Some(CurrentStatus::lost(self.status.as_ref(), as_of));
                self.lost_by = Some(by);
            }
            InstanceEvent::InstanceRecovered { as_of, status } => self.show(status, as_of),
            InstanceEvent::InstanceClosed { closed_at, by } => {
                self.closure = Some(InstanceClosure { closed_at, by });
            }
            InstanceEvent::InstanceStatusConcluded { as_of } => {
                self.show(StatusType::Complete, as_of);
            }
        }
    }
}
