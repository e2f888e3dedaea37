//! A run from its preparation to its end, and what is asked of it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use messaging::contract::StatusType;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{Actor, Message, Outcome, Run, is_start_of, running};
use crate::commands::Asked;
use crate::game_server::host::LiveRun;
use crate::game_server::preparing::{self, PrepareError};
use crate::game_server::record::Stage;
use crate::process::{ConsoleError, Launched, Process, Stop};

/// How often what a game server prints is looked at for heartbeats.
const LOOK_AT_OUTPUT: Duration = Duration::from_millis(500);

/// Longer than any install.
const NO_DEADLINE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long a console that was not read is not tried again.
const CONSOLE_AGAIN: Duration = Duration::from_secs(10);

impl PrepareError {
    fn outcome(&self) -> Outcome {
        let last_lines = match self {
            Self::Install(error) => error.last_lines().to_vec(),
            Self::Launch(_) => Vec::new(),
        };
        Outcome::NeverRan(self.to_string(), last_lines)
    }
}

impl Run {
    /// How long whoever asked for it waits for it. A restart nobody waits for has all the time that its install may take.
    fn time_left(&self) -> Duration {
        let deadline = self.start.as_ref().and_then(|start| start.deadline);
        deadline.map_or(NO_DEADLINE, |deadline| {
            deadline.signed_duration_since(Utc::now()).to_std().unwrap_or_default()
        })
    }

    /// Writes a line to the console. After one that nobody read the next ones fail without waiting.
    async fn write_line(&mut self, process: &Process, line: &str) -> Result<(), ConsoleError> {
        if self.console_unread_until.is_some_and(|until| Instant::now() < until) {
            return Err(ConsoleError::NotRead);
        }
        let written = process.write_line(line).await;
        if matches!(written, Err(ConsoleError::NotRead)) {
            self.console_unread_until = Some(Instant::now() + CONSOLE_AGAIN);
        }
        written
    }
}

impl Actor {
    /// Sees a run through, from its preparation to its end; returns the run that follows it.
    pub(super) async fn prepare_and_attend(&mut self, mut run: Run) -> Option<Run> {
        let outcome = match self.prepare(&mut run).await {
            Ok(Launched::Running(process)) => self.attend(&mut run, process).await,
            Ok(Launched::Ended(ending)) => {
                if ending.how.has_run() {
                    self.launched(&mut run, None);
                }
                Outcome::Ended(ending)
            }
            Err(outcome) => outcome,
        };
        self.conclude(run, outcome).await
    }

    /// Installs and launches, and takes in what is asked meanwhile.
    async fn prepare(&mut self, run: &mut Run) -> Result<Launched, Outcome> {
        if run.record.is_stop_requested() {
            return Err(Outcome::NeverRan("stopped before it ran".to_owned(), Vec::new()));
        }
        self.tell(&run.record, StatusType::Initializing, None);
        let (host, record) = (Arc::clone(&self.host), run.record.clone());
        let cancel = CancellationToken::new();
        let mut installing = Box::pin(preparing::install(&host, &record, &cancel));
        let mut deadline = Box::pin(sleep(run.time_left()));
        let spec = loop {
            tokio::select! {
                spec = &mut installing => break spec,
                () = &mut deadline, if !cancel.is_cancelled() => cancel.cancel(),
                message = self.message() => match message {
                    Some(message) => self.while_preparing(message, run, &cancel),
                    None => {
                        // The agent leaves: whoever installs must not go on beside the next agent's.
                        cancel.cancel();
                        drop(installing.await);
                        return Err(Outcome::Left);
                    }
                },
            }
        };
        if run.record.is_stop_requested() {
            return Err(Outcome::NeverRan("stopped before it ran".to_owned(), Vec::new()));
        }
        if cancel.is_cancelled() {
            let reason = "its deadline passed while it was being installed".to_owned();
            return Err(Outcome::NeverRan(reason, Vec::new()));
        }
        let spec = spec.map_err(|error| error.outcome())?;
        run.record.installed = true;
        preparing::launch(&host, &record, &spec).await.map_err(|error| error.outcome())
    }

    fn while_preparing(&mut self, message: Message, run: &mut Run, cancel: &CancellationToken) {
        match message {
            Message::Command(command) => match command.asked {
                Asked::Start { .. } if is_start_of(&command, &run.record) => {
                    run.start = Some(command);
                }
                Asked::Start { .. } if run.record.is_stop_requested() => run.queue(command),
                Asked::Start { .. } => command.refused("it is being started already"),
                Asked::Stop { .. } => {
                    run.stop(command);
                    self.stop_requested(run);
                    cancel.cancel();
                }
                Asked::Stdin { .. } | Asked::ShutDown => {
                    command.refused("it is still being installed and has no console");
                }
            },
            Message::ShutDown => {
                self.shutting_down = true;
                self.stop_requested(run);
                cancel.cancel();
            }
            Message::Adopt => self.adopt(run, None),
        }
    }

    /// Stays with a process until it ends.
    pub(super) async fn attend(&mut self, run: &mut Run, mut process: Process) -> Outcome {
        self.launched(run, Some(process.started().pid));
        self.look(run, &process);
        let outcome = match self.attend_until_stopped(run, &mut process).await {
            Some(outcome) => outcome,
            None => self.stop(run, &mut process).await,
        };
        // The last that it printed is told although it is over.
        self.look(run, &process);
        outcome
    }

    /// None when somebody asked for its end.
    async fn attend_until_stopped(
        &mut self,
        run: &mut Run,
        process: &mut Process,
    ) -> Option<Outcome> {
        let mut looks = interval(LOOK_AT_OUTPUT);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !run.record.is_stop_requested() {
            tokio::select! {
                ending = process.ended() => return Some(Outcome::Ended(ending)),
                message = self.message() => match message {
                    Some(message) => self.while_running(message, run, process).await,
                    None => return Some(Outcome::Left),
                },
                _ = looks.tick() => self.look(run, process),
            }
        }
        None
    }

    async fn stop(&mut self, run: &mut Run, process: &mut Process) -> Outcome {
        let pid = process.started().pid;
        let supervision = &run.record.config.supervision;
        let stop = Stop {
            line: supervision.stop_line.clone(),
            grace: Duration::from_secs(supervision.stop_grace_seconds.into()),
        };
        let mut stopping = Box::pin(process.stop(&stop));
        loop {
            tokio::select! {
                ending = &mut stopping => return Outcome::Ended(ending),
                message = self.message() => match message {
                    Some(message) => self.while_stopping(message, run, pid),
                    None => return Outcome::Left,
                },
            }
        }
    }

    /// Puts what a game server printed last where heartbeats find it.
    fn look(&self, run: &Run, process: &Process) {
        let live = LiveRun { told_as: run.record.told_as, tail: process.tail() };
        self.host.is_live(self.config_id, live);
    }

    async fn while_running(&mut self, message: Message, run: &mut Run, process: &Process) {
        match message {
            Message::Command(command) => match &command.asked {
                Asked::Start { .. } if is_start_of(&command, &run.record) => {
                    command.fulfilled(Some(run.record.told_as));
                }
                Asked::Start { .. } => {
                    let pid = process.started().pid;
                    command.refused(format!("it runs already, as process {pid}"));
                }
                Asked::Stop { .. } => {
                    run.stop(command);
                    self.stop_requested(run);
                }
                Asked::Stdin { instance_id: Some(meant), .. }
                    if self.host.reports().instance_id(run.record.told_as) != Some(*meant) =>
                {
                    let reason = format!("instance {meant} is over; another runs now");
                    command.refused(reason);
                }
                Asked::Stdin { line, .. } => match run.write_line(process, line).await {
                    Ok(()) => command.fulfilled(Some(run.record.told_as)),
                    Err(error) => command.failed(error.to_string()),
                },
                Asked::ShutDown => command.refused("not for a game server"),
            },
            Message::ShutDown => {
                self.shutting_down = true;
                self.stop_requested(run);
            }
            Message::Adopt => self.adopt(run, Some(process.started().pid)),
        }
    }

    fn while_stopping(&mut self, message: Message, run: &mut Run, pid: i32) {
        match message {
            Message::Command(command) => match command.asked {
                Asked::Start { .. } if is_start_of(&command, &run.record) => {
                    command.fulfilled(Some(run.record.told_as));
                }
                Asked::Start { .. } => run.queue(command),
                Asked::Stop { .. } => run.stop(command),
                Asked::Stdin { .. } | Asked::ShutDown => command.refused("it is being stopped"),
            },
            Message::ShutDown => self.shutting_down = true,
            Message::Adopt => self.adopt(run, Some(pid)),
        }
    }

    fn stop_requested(&self, run: &mut Run) {
        run.record.stop_requested_at.get_or_insert_with(Utc::now);
        run.record.note(&self.host.runs);
    }

    /// The process runs, or did: whoever asked for it has it.
    pub(super) fn launched(&self, run: &mut Run, pid: Option<i32>) {
        if run.record.stage == Stage::Preparing {
            self.tell(&run.record, StatusType::Running, pid.map(running));
            run.record.stage = Stage::Launched;
            run.record.installed = true;
            run.record.note(&self.host.runs);
        }
        if let Some(start) = run.start.take() {
            start.fulfilled(Some(run.record.told_as));
        }
    }
}
