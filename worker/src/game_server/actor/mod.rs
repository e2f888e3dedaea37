//! The life of one config's game server on this host. One actor, one thing at a time: whatever is asked meanwhile is
//! taken in as it comes, and answered by what the game server is doing right then.

mod ending;
mod running;

use std::collections::VecDeque;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use messaging::contract::{StatusDetail, StatusType};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::host::Host;
use super::record::{self, RunRecord, Stage};
use crate::api::{ApiError, ServerConfig};
use crate::commands::{Asked, Command};
use crate::process::{Attached, Process};
use crate::reports::{Lane, Report, Ticket};
use crate::run_dir::{Ending, RunDir, RunId};

/// How long before a run that could not be attached to is tried again.
const ATTACH_AGAIN: Duration = Duration::from_secs(5);
/// How long a start waits for its instance to be known before it goes on without: reports follow when they can.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(2);

/// What an actor is told.
pub(super) enum Message {
    /// Somebody asked for something.
    Command(Command),
    /// The worker shuts down: stop, and take no more commands.
    ShutDown,
    /// The worker has another id now; what runs becomes an instance of it.
    Adopt,
}

impl Message {
    /// Answers a command that no actor can take.
    pub(super) fn refused(self, reason: &str) {
        if let Self::Command(command) = self {
            command.refused(reason);
        }
    }
}

pub(super) struct Actor {
    config_id: i32,
    host: Arc<Host>,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// The run before this one, which a repeated start may be about.
    last: Option<RunRecord>,
    /// Runs that are over and still on disk, oldest first.
    ended: VecDeque<(RunDir, RunId)>,
    shutting_down: bool,
}

/// A run in the actor's hands, with those who wait for it.
struct Run {
    record: RunRecord,
    /// Who asked for it and is not answered yet.
    start: Option<Command>,
    /// Who asked for its end.
    stops: Vec<Command>,
    /// Who asked for another run while this one was being stopped.
    next: Option<Command>,
    /// Until when its console is held to be unread: lines fail at once, or a stop would wait behind them.
    console_unread_until: Option<Instant>,
}

/// How a run ended, as far as the actor is concerned.
enum Outcome {
    /// Its process ended.
    Ended(Ending),
    /// It never ran, for this reason; the last lines of what was tried.
    NeverRan(String, Vec<String>),
    /// The agent leaves; the run goes on without it.
    Left,
}

impl Actor {
    pub(super) fn new(
        config_id: i32,
        host: Arc<Host>,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let ended = VecDeque::new();
        Self { config_id, host, inbox, last: None, ended, shutting_down: false }
    }

    /// Takes up the runs that an earlier agent left, oldest first, and lives until the worker shuts down or the agent
    /// leaves.
    pub(super) async fn live(mut self, mut records: Vec<RunRecord>) {
        let newest = records.pop();
        for mut earlier in records {
            if !earlier.is_ended() {
                // Two at once are a defect, or a copied directory; the older one is stopped, not forgotten.
                tracing::error!(config_id = self.config_id, run = %earlier.run_id, "a second run of one config is being ended");
                self.host.end_stray(&mut earlier).await;
            }
            self.keep_few(&earlier);
        }
        let mut next = match newest {
            Some(newest) => self.take_up(newest).await,
            None => None,
        };
        loop {
            let run = match next {
                Some(run) => run,
                None => match self.rest().await {
                    Some(run) => run,
                    None => return,
                },
            };
            next = self.prepare_and_attend(run).await;
        }
    }

    /// Goes on with a run where an earlier agent left it.
    async fn take_up(&mut self, record: RunRecord) -> Option<Run> {
        if record.is_ended() {
            self.keep_few(&record);
            if record.restart_at.is_some() {
                return self.pause(record).await;
            }
            self.last = Some(record);
            return None;
        }
        let attached = self.attach(&record).await?;
        let mut run = Run::of(record);
        match attached {
            Attached::Running(process) => {
                let pid = process.started().pid;
                tracing::info!(config_id = self.config_id, pid, run = %run.record.run_id, "attached to a running game server");
                self.tell_unless_told(&run.record, pid);
                let outcome = self.attend(&mut run, process).await;
                self.conclude(run, outcome).await
            }
            Attached::Ended(ending) => {
                if ending.how.has_run() {
                    self.launched(&mut run, None);
                }
                self.conclude(run, Outcome::Ended(ending)).await
            }
            Attached::NeverStarted => {
                drop(self.announce(&run.record));
                Some(run)
            }
        }
    }

    /// Looks for a run's process, again and again if that fails: nothing is known of it until it succeeds, and nothing
    /// else may be started. None when the agent leaves.
    async fn attach(&self, record: &RunRecord) -> Option<Attached> {
        loop {
            match Process::attach(&record.dir(&self.host.runs)).await {
                Ok(attached) => return Some(attached),
                Err(error) => {
                    tracing::error!(config_id = self.config_id, run = %record.run_id, %error, "a run cannot be attached to; trying again");
                }
            }
            self.host.leaving.run_until_cancelled(sleep(ATTACH_AGAIN)).await?;
        }
    }

    /// Nothing runs: waits for a start.
    async fn rest(&mut self) -> Option<Run> {
        loop {
            if self.shutting_down {
                return None;
            }
            match self.message().await? {
                Message::Command(command) => match command.asked {
                    Asked::Start { .. } => {
                        if let Some(run) = self.begin(command).await {
                            return Some(run);
                        }
                    }
                    Asked::Stop { .. } => command.fulfilled(None),
                    Asked::Stdin { .. } | Asked::ShutDown => {
                        command.refused(format!("config {} does not run here", self.config_id));
                    }
                },
                Message::ShutDown => self.shutting_down = true,
                Message::Adopt => {}
            }
        }
    }

    /// The next message, none when the agent leaves.
    async fn message(&mut self) -> Option<Message> {
        tokio::select! {
            biased;
            () = self.host.leaving.cancelled() => None,
            message = self.inbox.recv() => message,
        }
    }

    /// Begins a run that somebody asked for.
    async fn begin(&mut self, command: Command) -> Option<Run> {
        if let Some(last) = self.last.as_ref().filter(|last| is_start_of(&command, last)) {
            // The command was handed out before the agent restarted, and its run is over meanwhile.
            match &last.stage {
                Stage::Ended { never_ran: Some(reason) } => command.failed(reason.clone()),
                _ => command.fulfilled(Some(last.told_as)),
            }
            return None;
        }
        if command.resumed && command.deadline.is_some_and(|deadline| deadline < chrono::Utc::now())
        {
            command.failed("the agent was away until its deadline had passed");
            return None;
        }
        let config = match self.config().await {
            Ok(config) => config,
            Err(ApiError::Refused { status: 404, .. }) => {
                command.refused(format!("there is no config {}", self.config_id));
                return None;
            }
            Err(error) => {
                command.failed(format!("config {} could not be read: {error}", self.config_id));
                return None;
            }
        };
        let record = RunRecord::new(config, self.host.worker_id(), command.command_id);
        if let Err(error) = self.write_down(&record) {
            command.failed(format!("the state directory cannot be written: {error}"));
            return None;
        }
        let ticket = self.announce(&record);
        if let Ok(Err(rejected)) = timeout(ANNOUNCED_WITHIN, ticket.delivered()).await {
            record::remove(record.dir(&self.host.runs).path());
            command.failed(format!("ManMan does not take the instance: {}", rejected.reason));
            return None;
        }
        Some(Run { start: Some(command), ..Run::of(record) })
    }

    /// The config as it is now; if the API is away, as it was the last time.
    async fn config(&self) -> Result<ServerConfig, ApiError> {
        match self.host.api().config(self.config_id).await {
            Err(error) if error.is_worth_retrying() => match &self.last {
                Some(last) => {
                    tracing::warn!(config_id = self.config_id, %error, "starting with the config of the last run");
                    Ok(last.config.clone())
                }
                None => Err(error),
            },
            result => result,
        }
    }

    fn write_down(&self, record: &RunRecord) -> std::io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        // What a config's environment holds may be a secret.
        builder.recursive(true).mode(0o700).create(record.dir(&self.host.runs).path())?;
        record.save(&self.host.runs)
    }

    /// Tells that there is an instance. Repeated after a restart of the agent it is the same report.
    fn announce(&self, record: &RunRecord) -> Ticket {
        let run_id = record.told_as;
        let created = Report::InstanceCreated { run_id, game_server_config_id: self.config_id };
        let ticket = self.host.reports().push(record.worker_id, self.lane(), created);
        self.tell(record, StatusType::Created, None);
        ticket
    }

    fn tell(&self, record: &RunRecord, status: StatusType, detail: Option<StatusDetail>) {
        let report = Report::InstanceStatus { run_id: record.told_as, status, detail };
        self.host.reports().push(record.worker_id, self.lane(), report);
    }

    /// If the worker is another one to `ManMan` now, what runs becomes an instance of that one.
    fn adopt(&self, run: &mut Run, pid: Option<i32>) {
        let (old_worker, old) = (run.record.worker_id, run.record.told_as);
        if old_worker == self.host.worker_id() {
            return;
        }
        run.record.worker_id = self.host.worker_id();
        run.record.told_as = RunId(uuid::Uuid::now_v7());
        // First: an agent that dies here is followed by one that tells of the new instance.
        run.record.note(&self.host.runs);
        // Mostly closed already, with its worker.
        let closed = Report::InstanceClosed { run_id: old };
        self.host.reports().push(old_worker, self.lane(), closed);
        self.host.reports().forget(old);
        match pid {
            Some(pid) => self.tell_unless_told(&run.record, pid),
            None => drop(self.announce(&run.record)),
        }
    }

    /// Tells of a process that runs and of which `ManMan` may not have heard.
    fn tell_unless_told(&self, record: &RunRecord, pid: i32) {
        if self.host.reports().instance_id(record.told_as).is_none() {
            drop(self.announce(record));
            self.tell(record, StatusType::Initializing, None);
            self.tell(record, StatusType::Running, Some(running(pid)));
        }
    }

    const fn lane(&self) -> Lane {
        Lane::Config(self.config_id)
    }
}

impl Run {
    const fn of(record: RunRecord) -> Self {
        Self { record, start: None, stops: Vec::new(), next: None, console_unread_until: None }
    }

    /// One start may wait for the end of the run before it.
    fn queue(&mut self, start: Command) {
        match self.next {
            None => self.next = Some(start),
            Some(_) => start.refused("another start waits already for it to be stopped"),
        }
    }

    /// A stop ends the run, and calls off the start that waits for that: it was asked before the stop.
    fn stop(&mut self, stop: Command) {
        if let Some(start) = self.next.take() {
            start.refused("a stop was asked for before its turn came");
        }
        self.stops.push(stop);
    }
}

fn is_start_of(command: &Command, record: &RunRecord) -> bool {
    command.command_id.is_some() && command.command_id == record.started_by
}

fn running(pid: i32) -> StatusDetail {
    StatusDetail { pid: Some(pid), ..StatusDetail::default() }
}
