//! Group commit: one task takes whatever commits are waiting and writes them in one statement.
//! No delay is added when idle: a batch is what arrived while the one before was written. One statement
//! at a time: two of half the size were measured to be no faster, for the head's lock orders them anyway.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crash_points::Point;
use domain::{Claim, ClaimChange};
use metrics::{counter, gauge, histogram};
use serde_json::value::RawValue;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;
use uuid::Uuid;

use crate::batch::{self, Outcomes};
use crate::commit::{Appended, Commit, Rejection};
use crate::log::{Tail, in_time};
use crate::{LogOptions, Position};

/// How often the appender steps back for those it just answered. More did not fill batches any better.
const TURNS: usize = 8;

/// Why a commit was not appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The stream has moved on: load again and decide anew.
    #[error("the stream has moved on")]
    Conflict,
    /// Another stream holds a claim the commit takes.
    #[error("{0} is taken")]
    ClaimTaken(Claim),
    /// The command id was answered before: this is the first answer.
    #[error("the command was carried out before")]
    Repeated {
        /// What was asked the first time.
        fingerprint: String,
        /// The first answer.
        response: Box<RawValue>,
        /// Where the first was written.
        position: Position,
    },
    /// The database does not answer; nothing was written.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost and it could not be found out in time whether the commit was written.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// The database refuses this commit, whoever sends it; a defect.
    #[error("the event store refuses the commit")]
    Refused(#[source] Arc<sqlx::Error>),
    /// The process is shutting down.
    #[error("the event store is closed")]
    Closed,
}

impl AppendError {
    pub(crate) fn unavailable(error: &sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A commit and whoever waits for it.
pub(crate) struct Waiting {
    pub(crate) commit: Commit,
    pub(crate) since: Instant,
    pub(crate) done: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The task that appends.
pub(crate) struct Appender {
    pub(crate) pool: PgPool,
    pub(crate) options: LogOptions,
    pub(crate) tail: Tail,
}

impl Appender {
    /// Runs until every sender is gone and everything sent is answered.
    pub(crate) async fn run(self, mut incoming: mpsc::Receiver<Waiting>) {
        let mut queue = VecDeque::new();
        let mut arrived = Vec::new();
        loop {
            let room = self.options.max_batch.saturating_sub(queue.len());
            if queue.is_empty() {
                if incoming.recv_many(&mut arrived, room).await == 0 {
                    return;
                }
            } else {
                while arrived.len() < room {
                    let Ok(waiting) = incoming.try_recv() else { break };
                    arrived.push(waiting);
                }
            }
            queue.extend(arrived.drain(..));
            refuse_overdue(&mut queue, self.options.queue_deadline);
            let batch = take_batch(&mut queue);
            if batch.is_empty() {
                continue;
            }
            let answered = batch.len();
            self.write(batch).await;
            // Those just answered get their turn first: what they send next joins the next batch. Bounded
            // in turns, not in time: it costs microseconds where nobody comes back.
            for _ in 0..TURNS {
                if queue.len() + incoming.len() >= answered {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    async fn write(&self, batch: Vec<Waiting>) {
        let started = Instant::now();
        let size = batch.len();
        let commits: Vec<&Commit> = batch.iter().map(|waiting| &waiting.commit).collect();
        let result = self.write_until_known(&commits).await;
        histogram!("manman_append_batch_commits").record(size as f64);
        histogram!("manman_append_seconds").record(started.elapsed().as_secs_f64());
        match result {
            Ok(outcomes) => self.answer(batch, outcomes),
            Err(AppendError::Refused(error)) if size > 1 => {
                // One of them is to blame; alone, each gets its own answer.
                warn!(%error, size, "the database refused a batch of commits; trying them one by one");
                for waiting in batch {
                    let outcome = self.write_until_known(&[&waiting.commit]).await;
                    match outcome {
                        Ok(outcomes) => self.answer(vec![waiting], outcomes),
                        Err(error) => drop(waiting.done.send(Err(error))),
                    }
                }
            }
            Err(error) => {
                counter!("manman_append_failures_total").increment(1);
                for waiting in batch {
                    // Whoever hung up needs no answer.
                    let _ = waiting.done.send(Err(error.clone()));
                }
            }
        }
    }

    fn answer(&self, batch: Vec<Waiting>, outcomes: Outcomes) {
        let written = || outcomes.iter().flatten();
        if let (Some(first), Some(last)) = (written().next(), written().next_back()) {
            gauge!("manman_log_head").set(last.last.0 as f64);
            self.tail.appended(first.first, last.last);
        }
        for (waiting, outcome) in batch.into_iter().zip(outcomes) {
            let answer = match outcome {
                Ok(appended) => {
                    counter!("manman_events_appended_total")
                        .increment(waiting.commit.events.len() as u64);
                    Ok(appended)
                }
                Err(rejection) => Err(AppendError::from(rejection)),
            };
            let _ = waiting.done.send(answer);
        }
    }

    /// Writes a batch, and when the connection is lost on the way writes it again: an event of ours
    /// found in its place proves that the lost statement was committed.
    async fn write_until_known(&self, commits: &[&Commit]) -> Result<Outcomes, AppendError> {
        let began = Instant::now();
        let mut interrupted: Option<String> = None;
        let mut pause = Duration::from_millis(5);
        loop {
            let error = match self.pool.acquire().await {
                Ok(mut connection) => {
                    crash_points::reach(Point::AppendBefore);
                    let write = batch::write(&mut connection, commits);
                    let written = in_time(self.options.statement_deadline, write)
                        .await
                        .inspect(|_| crash_points::reach(Point::AppendAfter));
                    match written {
                        Ok(outcomes) if interrupted.is_some() => {
                            return Ok(recognise(commits, outcomes));
                        }
                        Ok(outcomes) => return Ok(outcomes),
                        Err(error) if is_refusal(&error) => {
                            return Err(AppendError::Refused(Arc::new(error)));
                        }
                        Err(error) => {
                            interrupted.get_or_insert_with(|| error.to_string());
                            // The statement may still run on a connection we do not hear from.
                            drop(connection.detach());
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            let Some(first_error) = &interrupted else {
                return Err(AppendError::unavailable(&error));
            };
            if began.elapsed() > self.options.outcome_deadline {
                return Err(AppendError::OutcomeUnknown(first_error.clone()));
            }
            warn!(%error, "append interrupted; finding out whether it was written");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

impl From<Rejection> for AppendError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Repeated { fingerprint, response, position } => {
                Self::Repeated { fingerprint, response, position }
            }
            Rejection::Version { .. } => {
                counter!("manman_append_conflicts_total").increment(1);
                Self::Conflict
            }
            Rejection::Claim(claim) => Self::ClaimTaken(claim),
        }
    }
}

/// After an interruption: what stands in the way of a commit may be the commit itself.
fn recognise(commits: &[&Commit], outcomes: Outcomes) -> Outcomes {
    commits
        .iter()
        .zip(outcomes)
        .map(|(commit, outcome)| match outcome {
            Err(Rejection::Version { event_id, position })
                if commit.events.first().is_some_and(|first| first.event_id == event_id) =>
            {
                let last = Position(position.0 + commit.events.len() as i64 - 1);
                Ok(Appended { first: position, last })
            }
            other => other,
        })
        .collect()
}

/// Whether the database understood the statement and will never accept it. Anything else (a lost
/// connection, a shutdown, a lock timeout) may go through later.
fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            // Classes: 22 data exception, 23 integrity, 42 syntax or access rule, P0 PL/pgSQL.
            error.code().is_some_and(|code| {
                ["22", "23", "42", "P0"].iter().any(|class| code.starts_with(class))
            })
        }
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
        _ => false,
    }
}

/// Nothing of these was written, and whoever sent them has waited long enough.
fn refuse_overdue(queue: &mut VecDeque<Waiting>, deadline: Duration) {
    // The oldest are in front.
    let overdue = queue.iter().take_while(|waiting| waiting.since.elapsed() > deadline).count();
    for waiting in queue.drain(..overdue) {
        let reason = "the log did not get to it in time".to_owned();
        let _ = waiting.done.send(Err(AppendError::Unavailable(reason)));
    }
}

/// Takes the commits that may go together; those that touch a stream, claim or command id of one
/// already taken stay for the next batch, in order.
fn take_batch(queue: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut seen = Seen::default();
    let (batch, rest): (Vec<_>, Vec<_>) =
        queue.drain(..).partition(|waiting| seen.admits(&waiting.commit));
    queue.extend(rest);
    batch
}

#[derive(Default)]
struct Seen {
    streams: HashSet<(&'static str, String)>,
    claims: HashSet<Claim>,
    commands: HashSet<Uuid>,
}

impl Seen {
    fn admits(&mut self, commit: &Commit) -> bool {
        let Some(first) = commit.events.first() else { return true };
        let stream = (first.aggregate_type, first.aggregate_id.clone());
        let command = commit.answer.is_some().then_some(commit.metadata.command_id);
        let claims = || {
            commit.claims.iter().map(|change| match change {
                ClaimChange::Take(claim) | ClaimChange::Release(claim) => claim,
            })
        };
        // What is held back also holds back what depends on it: it enters the sets all the same.
        let stream_is_new = self.streams.insert(stream);
        let command_is_new = command.is_none_or(|command| self.commands.insert(command));
        let mut claims_are_new = true;
        for claim in claims() {
            claims_are_new &= self.claims.insert(claim.clone());
        }
        stream_is_new && command_is_new && claims_are_new
    }
}
