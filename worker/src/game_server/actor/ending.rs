//! The end of a run: what it means, who is told, and whether another one follows.

use std::time::Duration;

use chrono::Utc;
use messaging::contract::{StatusDetail, StatusType};
use tokio::time::sleep;

use super::{Actor, Message, Outcome, Run, is_start_of};
use crate::commands::{Asked, Command};
use crate::game_server::record::{self, ENDED_RUNS_KEPT, RunRecord, Stage};
use crate::game_server::restart::{self, LONGEST_BACKOFF, Restart};
use crate::game_server::words;
use crate::reports::Report;
use crate::run_dir::{Ending, HowEnded};

impl Actor {
    /// Tells how a run ended, answers who waited for that, and decides what comes next.
    pub(super) async fn conclude(&mut self, mut run: Run, outcome: Outcome) -> Option<Run> {
        self.host.is_over(self.config_id);
        let Verdict { was_asked_for, detail, never_ran, restart } = match outcome {
            Outcome::Left => return None,
            Outcome::NeverRan(reason, last_lines)
                if !run.record.is_stop_requested() && !run.record.restarts.is_empty() =>
            {
                // It ran before: what keeps it from running now may pass.
                let how = HowEnded::NotStarted { reason };
                judge(&run.record, &Ending { how, at: Utc::now(), last_lines })
            }
            Outcome::NeverRan(reason, last_lines) => Verdict {
                was_asked_for: run.record.is_stop_requested(),
                detail: StatusDetail {
                    reason: Some(reason.clone()),
                    last_lines,
                    ..StatusDetail::default()
                },
                never_ran: Some(reason),
                restart: Restart::No,
            },
            Outcome::Ended(ending) => judge(&run.record, &ending),
        };
        let status = if was_asked_for { StatusType::Complete } else { StatusType::Crashed };
        let reason = detail.reason.clone().unwrap_or_default();
        tracing::info!(config_id = self.config_id, run = %run.record.run_id, reason, %status, "game server ended");
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

    /// Waits until an ended run is to be started again, and begins the next one.
    pub(super) async fn pause(&mut self, mut ended: RunRecord) -> Option<Run> {
        loop {
            let wait = ended.restart_at.map_or(Duration::ZERO, |at| {
                at.signed_duration_since(Utc::now()).to_std().unwrap_or_default()
            });
            // However the clock was set meanwhile.
            let waiting = sleep(wait.min(LONGEST_BACKOFF));
            match self.called_off(waiting, &mut ended).await {
                CalledOff::No => {}
                CalledOff::ByStart(command) => {
                    self.last = Some(ended);
                    return self.begin(command).await;
                }
                CalledOff::Yes => {
                    self.last = Some(ended);
                    return None;
                }
                CalledOff::Left => return None,
            }
            match self.restart(&mut ended) {
                Ok(run) => {
                    self.last = Some(ended);
                    return Some(run);
                }
                Err(error) => {
                    tracing::error!(config_id = self.config_id, %error, "not started again yet: its state cannot be written");
                    ended.restart_at = Some(Utc::now() + LONGEST_BACKOFF);
                }
            }
        }
    }

    /// Takes in what is asked before a restart, which may be that there is none.
    async fn called_off(
        &mut self,
        waiting: impl Future<Output = ()>,
        ended: &mut RunRecord,
    ) -> CalledOff {
        let mut waiting = Box::pin(waiting);
        let called_off = loop {
            let message = tokio::select! {
                () = &mut waiting => return CalledOff::No,
                message = self.message() => message,
            };
            match message {
                None => return CalledOff::Left,
                Some(Message::Command(command)) => match command.asked {
                    Asked::Start { .. } if is_start_of(&command, ended) => {
                        command.fulfilled(Some(ended.told_as));
                    }
                    Asked::Start { .. } => break CalledOff::ByStart(command),
                    Asked::Stop { .. } => {
                        command.fulfilled(None);
                        break CalledOff::Yes;
                    }
                    Asked::Stdin { .. } | Asked::ShutDown => {
                        command.refused("it has crashed and is about to be started again");
                    }
                },
                Some(Message::ShutDown) => {
                    self.shutting_down = true;
                    break CalledOff::Yes;
                }
                Some(Message::Adopt) => {}
            }
        };
        ended.restart_at = None;
        ended.note(&self.host.runs);
        called_off
    }

    fn restart(&self, ended: &mut RunRecord) -> std::io::Result<Run> {
        let now = Utc::now();
        let supervision = &ended.config.supervision;
        let counted = restart::in_window(supervision, &ended.restarts, now).copied();
        // An agent that lost its memory of who it is knows at least whose run this was.
        let worker_id = Some(self.host.worker_id()).filter(|id| *id != 0);
        let worker_id = worker_id.unwrap_or(ended.worker_id);
        let record = RunRecord {
            restarts: counted.chain([now]).collect(),
            installed: ended.installed,
            ..RunRecord::new(ended.config.clone(), worker_id, ended.started_by)
        };
        self.write_down(&record)?;
        ended.restart_at = None;
        ended.note(&self.host.runs);
        drop(self.announce(&record));
        Ok(Run::of(record))
    }

    /// Keeps the files of a few ended runs, for people, and removes those of older ones.
    pub(super) fn keep_few(&mut self, ended: &RunRecord) {
        self.ended.push_back((ended.dir(&self.host.runs), ended.told_as));
        while self.ended.len() > ENDED_RUNS_KEPT {
            let Some((directory, told_as)) = self.ended.pop_front() else { return };
            self.host.reports().forget(told_as);
            // Tens of megabytes of output: not on the threads that show signs of life.
            tokio::task::spawn_blocking(move || record::remove(directory.path()));
        }
    }
}

/// Whether a restart was called off while it was waited for.
enum CalledOff {
    No,
    /// By somebody who wants it started now.
    ByStart(Command),
    Yes,
    /// The agent leaves; the restart is due when it comes back.
    Left,
}

/// What an ending means.
struct Verdict {
    was_asked_for: bool,
    detail: StatusDetail,
    /// Why it never ran, if it did not.
    never_ran: Option<String>,
    restart: Restart,
}

/// One that had ended before anybody asked for its end crashed; it is not started again all the same.
fn judge(record: &RunRecord, ending: &Ending) -> Verdict {
    let was_asked_for = record.stop_requested_at.is_some_and(|asked_at| ending.at >= asked_at);
    let verdict = |context: &str, restart| Verdict {
        was_asked_for,
        detail: words::detail(ending, context),
        never_ran: None,
        restart,
    };
    if record.is_stop_requested() {
        return verdict(if was_asked_for { "; stopped as asked" } else { "" }, Restart::No);
    }
    if matches!(ending.how, HowEnded::NotStarted { .. }) && record.restarts.is_empty() {
        // What cannot even be started once will not be the next time.
        let never_ran = Some(words::how(&ending.how));
        return Verdict { never_ran, ..verdict("", Restart::No) };
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
    verdict(&context, restart)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    fn record() -> RunRecord {
        let config = json!({
            "game_server_config_id": "3", "game_server_id": "4", "game_server_name": "demo",
            "server_type": "LOCAL", "app_id": 4, "name": "demo", "executable": "/bin/true",
        });
        RunRecord::new(serde_json::from_value(config).unwrap(), 1, None)
    }

    fn exited(code: i32) -> Ending {
        Ending { how: HowEnded::Exited { code }, at: Utc::now(), last_lines: Vec::new() }
    }

    #[test]
    fn an_end_after_somebody_asked_for_it_is_no_crash_whatever_the_exit_code() {
        let ending = exited(1);
        let asked_at = Some(ending.at - TimeDelta::milliseconds(1));
        let verdict = judge(&RunRecord { stop_requested_at: asked_at, ..record() }, &ending);
        assert!(verdict.was_asked_for);
        let reason = verdict.detail.reason.unwrap();
        assert_eq!(reason, "exited with code 1; stopped as asked");
    }

    #[test]
    fn one_that_had_ended_before_it_was_asked_to_crashed() {
        let ending = exited(0);
        let asked_at = Some(ending.at + TimeDelta::milliseconds(1));
        let verdict = judge(&RunRecord { stop_requested_at: asked_at, ..record() }, &ending);
        assert!(!verdict.was_asked_for);
        assert_eq!(verdict.restart, Restart::No);
    }

    #[test]
    fn what_cannot_be_started_is_not_tried_again_unless_it_ran_before() {
        let how = HowEnded::NotStarted { reason: "no such file".to_owned() };
        let ending = Ending { how, ..exited(0) };
        let mut record = record();
        record.config.supervision.restart = crate::api::RestartPolicy::Always;
        assert_eq!(judge(&record, &ending).restart, Restart::No);
        assert!(judge(&record, &ending).never_ran.is_some());
        record.restarts.push(Utc::now());
        assert!(matches!(judge(&record, &ending).restart, Restart::After { .. }));
    }
}
