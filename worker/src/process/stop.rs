//! Ending a process: the stop line, SIGTERM, SIGKILL.

use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, timeout_at};

use super::{Process, kernel};
use crate::run_dir::Ending;

/// How a game server is asked to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// A line for its console, tried first.
    pub line: Option<String>,
    /// How long it may take after the line, and again after SIGTERM, before the next step.
    pub grace: Duration,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    step: Step,
    since: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    LineWritten,
    Terminated,
    Killed,
}

impl Process {
    /// Asks the process to end, then makes it, and says how it ended: the stop line, a grace later SIGTERM to
    /// its process group, another grace later SIGKILL. A line that cannot be written makes SIGTERM come at
    /// once.
    ///
    /// When the future is dropped, the next call goes on where this one was, with its own grace.
    pub async fn stop(&mut self, stop: &Stop) -> Ending {
        loop {
            let Some(Stopping { step, since }) = self.stopping else {
                self.begin(stop).await;
                continue;
            };
            let next = match step {
                Step::LineWritten => Step::Terminated,
                Step::Terminated => Step::Killed,
                Step::Killed => return self.ended().await,
            };
            if let Ok(ending) = timeout_at(since + stop.grace, self.ended()).await {
                return ending;
            }
            self.step(next);
        }
    }

    async fn begin(&mut self, stop: &Stop) {
        let began = Instant::now();
        if let Some(line) = &stop.line {
            let written = timeout_at(began + stop.grace, self.write_line(line)).await;
            if written.is_ok_and(|written| written.is_ok()) {
                self.stopping = Some(Stopping { step: Step::LineWritten, since: began });
                return;
            }
        }
        self.step(Step::Terminated);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::LineWritten => {}
            Step::Terminated => self.signal(Signal::SIGTERM),
            Step::Killed => self.signal(Signal::SIGKILL),
        }
        self.stopping = Some(Stopping { step, since: Instant::now() });
    }

    /// Sends a signal to the process's group, unless it has ended: its supervisor then kills the rest of the
    /// group, and the number may soon be somebody else's.
    fn signal(&self, signal: Signal) {
        let is_there = match kernel::stat(self.started.pid) {
            Some(stat) => Some(stat.start_time) == self.started.start_time,
            // The system does not tell more than that it is there, perhaps because this agent has too many files open.
            None => kill(Pid::from_raw(self.started.pid), None).is_ok(),
        };
        if is_there {
            // An error says that nobody is left.
            let _ = killpg(Pid::from_raw(self.started.pid), signal);
        }
    }
}
