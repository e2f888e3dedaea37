//! When the log is asked for what has no outcome yet.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::api::{Api, ApiError, PendingCommand};

/// How long what comes by the queue waits for the list, which may have something older.
const PATIENCE: Duration = Duration::from_secs(3);
/// After how long the API is asked again when it did not answer, and doubled from there …
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// … up to this.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Asks for the list, again and again, and says how long the queue is to wait for it.
#[derive(Debug)]
pub(super) struct Listed {
    api: Api,
    worker_id: i32,
    every: Duration,
    due: Instant,
    failures: u32,
    asking: Option<AbortOnDropHandle<Result<Vec<PendingCommand>, ApiError>>>,
    /// What is being fetched may be older than what is asked about.
    once_more: bool,
    held_until: Option<Instant>,
}

impl Listed {
    /// Asks at once and then in this interval.
    pub(super) fn new(api: Api, worker_id: i32, every: Duration) -> Self {
        Self {
            api,
            worker_id,
            every,
            due: Instant::now(),
            failures: 0,
            asking: None,
            once_more: false,
            held_until: None,
        }
    }

    pub(super) fn set_interval(&mut self, every: Duration) {
        self.every = every;
        self.due = self.due.min(Instant::now() + every);
    }

    /// Asks now: a new queue took the place of one that may have had something in it.
    pub(super) fn ask_now(&mut self) {
        let now = Instant::now();
        self.held_until = Some(now + PATIENCE);
        self.once_more = self.asking.is_some();
        self.due = now;
    }

    /// Until when what comes by the queue has to wait, if it has to.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held_until.filter(|until| *until > Instant::now())
    }

    /// The next list, oldest command first. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Vec<PendingCommand> {
        loop {
            let Some(asking) = &mut self.asking else {
                sleep_until(self.due).await;
                self.ask();
                continue;
            };
            let answer = asking.await;
            self.asking = None;
            match answer {
                Ok(Ok(commands)) => {
                    self.answered();
                    return commands;
                }
                Ok(Err(error)) => self.failed(&error),
                Err(error) => self.failed(&error),
            }
        }
    }

    fn ask(&mut self) {
        // An API that did not answer the last time holds nothing up, except once after each subscription.
        if self.failures == 0 && self.held_until.is_none() {
            self.held_until = Some(Instant::now() + PATIENCE);
        }
        let (api, worker_id) = (self.api.clone(), self.worker_id);
        let asking = tokio::spawn(async move { api.pending_commands(worker_id).await });
        self.asking = Some(AbortOnDropHandle::new(asking));
    }

    fn answered(&mut self) {
        if self.failures > 0 {
            tracing::info!(worker_id = self.worker_id, "the log is asked for commands again");
        }
        self.failures = 0;
        if std::mem::take(&mut self.once_more) {
            self.due = Instant::now();
        } else {
            self.held_until = None;
            self.due = Instant::now() + self.every;
        }
    }

    fn failed(&mut self, error: &(dyn std::error::Error + 'static)) {
        if self.failures == 0 {
            tracing::warn!(
                worker_id = self.worker_id,
                error,
                "the log cannot be asked for commands, will try again; the queue goes on"
            );
        }
        let wait = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(self.failures)).min(LAST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.once_more = false;
        self.held_until = None;
        self.due = Instant::now() + wait;
    }
}
