//! The end of a run: what it means, who is told, and whether another one follows.

use std::time::Duration;

use chrono::Utc;
use messaging::contract::{StatusDetail, StatusType};
use tokio::time::sleep;

use super::{Actor, Message, Outcome, Run};
use crate::commands::Asked;
use crate::game_server::record::{self, ENDED_RUNS_KEPT, RunRecord, Stage};
use crate::game_server::restart::{self, Restart};
use crate::game_server::words;
use crate::reports::Report;
use crate::run_dir::{Ending, HowEnded};

impl Actor {
    /// Tells how a run ended, answers who waited for that, and decides what comes next.
    pub(super) async fn conclude(&mut self, mut run: Run, outcome: Outcome) -> Option<Run> {
        self.host.is_over(self.config_id);
        let (detail, never_ran, restart) = match outcome {
            Outcome::Left => return None,
            Outcome::NeverRan(reason, last_lines) => {
                let reason = Some(reason);
                let detail =
                    StatusDetail { reason: reason.clone(), last_lines, ..StatusDetail::default() };
                (detail, reason, Restart::No)
            }
            Outcome::Ended(ending) => self.judge(&mut run.record, &ending),
        };
        let asked = run.record.stop_requested;
        let status = if asked { StatusType::Complete } else { StatusType::Crashed };
        let reason = detail.reason.clone().unwrap_or_default();
        tracing::info!(config_id = self.config_id, run = %run.record.run_id, reason, asked, "game server ended");
        let run_id = run.record.told_as;
        let closed = Report::InstanceClosed { run_id };
        self.host.reports().push(run.record.worker_id, self.lane(), closed);
        self.tell(&run.record, status, Some(detail));
        if let Some(start) = run.start.take() {
            start.failed(reason);
        }
        for stop in run.stops {
            stop.fulfilled(Some(run_id));
        }
        run.record.stage = Stage::Ended { never_ran };
        run.record.restart_at = match restart {
            Restart::After { wait, .. } if !self.shutting_down => Some(Utc::now() + wait),
            _ => None,
        };
        run.record.note(&self.host.runs);
        self.keep_few(&run.record);
        if run.record.restart_at.is_some() {
            return self.pause(run.record).await;
        }
        self.last = Some(run.record);
        match run.next {
            Some(command) if self.shutting_down => {
                command.refused("the worker is shutting down");
                None
            }
            Some(command) => self.begin(command).await,
            None => None,
        }
    }

    /// What an ending means: its words, why it never ran if it did not, and whether it is started again.
    fn judge(
        &self,
        record: &mut RunRecord,
        ending: &Ending,
    ) -> (StatusDetail, Option<String>, Restart) {
        if record.stop_requested {
            return (words::detail(ending, "; stopped as asked"), None, Restart::No);
        }
        if matches!(ending.how, HowEnded::NotStarted { .. }) && record.restarts.is_empty() {
            // What cannot even be started once will not be the next time.
            return (words::detail(ending, ""), Some(words::how(&ending.how)), Restart::No);
        }
        let supervision = &record.config.supervision;
        let restart = restart::decide(supervision, &ending.how, &record.restarts, Utc::now());
        let context = match &restart {
            Restart::No => String::new(),
            Restart::After { wait, number } => format!(
                "; starting it again in {} s ({number} of {} in {} s)",
                wait.as_secs(),
                supervision.restart_limit,
                supervision.restart_window_seconds
            ),
            Restart::BudgetUsedUp => format!(
                "; not started again: {} restarts in {} s are used up",
                supervision.restart_limit, supervision.restart_window_seconds
            ),
        };
        (words::detail(ending, &context), None, restart)
    }

    /// Waits until an ended run is to be started again.
    pub(super) async fn pause(&mut self, ended: RunRecord) -> Option<Run> {
        let wait = ended.restart_at.map_or(Duration::ZERO, |at| {
            at.signed_duration_since(Utc::now()).to_std().unwrap_or_default()
        });
        let mut waiting = Box::pin(sleep(wait));
        let called_off = |mut ended: RunRecord, actor: &mut Self| {
            ended.restart_at = None;
            ended.note(&actor.host.runs);
            actor.last = Some(ended);
        };
        loop {
            tokio::select! {
                () = &mut waiting => break,
                message = self.message() => match message? {
                    Message::Command(command) => match command.asked {
                        Asked::Start { .. } => {
                            called_off(ended, self);
                            return self.begin(command).await;
                        }
                        Asked::Stop { .. } => {
                            called_off(ended, self);
                            command.fulfilled(None);
                            return None;
                        }
                        Asked::Stdin { .. } | Asked::ShutDown => {
                            command.refused("it has crashed and is about to be started again");
                        }
                    },
                    Message::ShutDown => {
                        self.shutting_down = true;
                        called_off(ended, self);
                        return None;
                    }
                    Message::Adopt => {}
                },
            }
        }
        self.restart(ended)
    }

    fn restart(&mut self, mut ended: RunRecord) -> Option<Run> {
        let now = Utc::now();
        let supervision = &ended.config.supervision;
        let counted = restart::in_window(supervision, &ended.restarts, now).copied();
        let record = RunRecord {
            restarts: counted.chain([now]).collect(),
            installed: ended.installed,
            ..RunRecord::new(ended.config.clone(), self.host.worker_id(), None)
        };
        let written = self.write_down(&record);
        ended.restart_at = None;
        ended.note(&self.host.runs);
        self.last = Some(ended);
        if let Err(error) = written {
            tracing::error!(config_id = self.config_id, %error, "not started again: its state cannot be written");
            return None;
        }
        drop(self.announce(&record));
        Some(Run::of(record))
    }

    /// Keeps the files of a few ended runs, for people, and removes those of older ones.
    pub(super) fn keep_few(&mut self, ended: &RunRecord) {
        self.ended.push_back((ended.dir(&self.host.runs), ended.told_as));
        while self.ended.len() > ENDED_RUNS_KEPT {
            let Some((directory, told_as)) = self.ended.pop_front() else { return };
            record::remove(directory.path());
            self.host.reports().forget(told_as);
        }
    }
}
