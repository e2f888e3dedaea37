//! A report onto the log, however often that has to be tried.

use std::sync::atomic::{AtomicUsize, Ordering};

use ::metrics::counter;
use crash_points::Point;
use domain::game_server_instance::InstanceCommand;
use domain::worker::WorkerCommand;
use event_store::{AppendError, EventStore, ExecuteError, Executed};
use messaging::Delivery;
use messaging::contract::EntityType;
use tokio_util::sync::CancellationToken;

use super::report::Report;
use crate::metrics::INTAKE_REPORTS;
use crate::pause::Pause;
use crate::status::PieceStatus;
use crate::subscription::in_words;

/// How often a report is tried that fails for a reason nobody foresaw.
const MOST_ATTEMPTS: u32 = 5;

pub(super) struct Recorder {
    store: EventStore,
    status: PieceStatus,
    shutdown: CancellationToken,
    /// How many reports wait for the database.
    stuck: AtomicUsize,
}

/// Why a report was not recorded.
enum Failure {
    /// It never will be.
    Hopeless(String),
    /// Our database is away.
    Away(String),
    /// Nobody knows why.
    Unexpected(String),
    /// The process is shutting down.
    Closing,
}

impl Recorder {
    pub(super) fn new(store: EventStore, status: PieceStatus, shutdown: CancellationToken) -> Self {
        Self { store, status, shutdown, stuck: AtomicUsize::new(0) }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed) > 0
    }

    /// Records a report and acknowledges it, or gives it up. At shutdown it may do neither: then the
    /// report comes back.
    pub(super) async fn settle(&self, report: &Report, delivery: Delivery) {
        let mut pause = Pause::new();
        let mut attempts = 0;
        let mut stuck = None;
        loop {
            match self.record(report).await {
                Ok(result) => {
                    count(result);
                    crash_points::reach(Point::IntakeBeforeAck);
                    delivery.ack().await;
                    return;
                }
                Err(Failure::Hopeless(reason)) => {
                    return self.give_up(delivery, reason, attempts + 1).await;
                }
                Err(Failure::Unexpected(reason)) => {
                    attempts += 1;
                    if attempts >= MOST_ATTEMPTS {
                        return self.give_up(delivery, reason, attempts).await;
                    }
                    tracing::warn!(entity = %report.entity, id = report.id, reason, "status report not recorded; trying again");
                    if self.wait(&mut pause).await.is_none() {
                        return;
                    }
                }
                Err(Failure::Away(reason)) => {
                    stuck.get_or_insert_with(|| Stuck::begin(&self.stuck));
                    if self.status.fails(reason.clone()) {
                        tracing::error!(reason, "status reports wait for the database");
                    }
                    if self.wait(&mut pause).await.is_none() {
                        return;
                    }
                }
                Err(Failure::Closing) => return,
            }
        }
    }

    /// Puts a message among the dead letters. Where even that fails it is back in its queue.
    pub(super) async fn give_up(&self, delivery: Delivery, reason: String, attempts: u32) {
        match delivery.dead_letter(reason, attempts).await {
            Ok(()) => count("dead_lettered"),
            Err(error) => {
                count("requeued");
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "dead letter not stored; the message is tried again"
                );
            }
        }
    }

    async fn wait(&self, pause: &mut Pause) -> Option<()> {
        self.shutdown.run_until_cancelled(tokio::time::sleep(pause.after_failure())).await
    }

    async fn record(&self, report: &Report) -> Result<&'static str, Failure> {
        let (id, context) = (report.id.to_string(), report.context());
        match report.entity {
            EntityType::Worker => {
                let command = WorkerCommand::ReportStatus(report.told.status);
                result(report, self.store.workers.execute(&id, command, &context).await)
            }
            EntityType::GameServerInstance => {
                let command = InstanceCommand::ReportStatus(report.told.clone());
                result(report, self.store.instances.execute(&id, command, &context).await)
            }
        }
    }
}

/// Counts a report that waits for the database, until it is recorded or given back.
struct Stuck<'a>(&'a AtomicUsize);

impl<'a> Stuck<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn count(result: &'static str) {
    counter!(INTAKE_REPORTS, "result" => result).increment(1);
}

fn result<A, E: std::error::Error>(
    report: &Report,
    outcome: Result<Executed<A>, ExecuteError<E>>,
) -> Result<&'static str, Failure> {
    match outcome {
        Ok(Executed::Done { .. }) => Ok("recorded"),
        Ok(Executed::Repeated { .. }) => Ok("repeated"),
        Err(error) => Err(failure(report, error)),
    }
}

fn failure<E: std::error::Error>(report: &Report, error: ExecuteError<E>) -> Failure {
    match error {
        // Unknown entity, or a status that cannot be reported.
        ExecuteError::Refused(refusal) => {
            Failure::Hopeless(format!("{} {}: {refusal}", report.entity, report.id))
        }
        ExecuteError::IdReused => {
            Failure::Hopeless("its message id belongs to another command".to_owned())
        }
        ExecuteError::Append(
            AppendError::Unavailable(reason) | AppendError::OutcomeUnknown(reason),
        ) => Failure::Away(reason),
        ExecuteError::Append(AppendError::Closed) => Failure::Closing,
        ExecuteError::Append(
            error @ (AppendError::Refused(_)
            | AppendError::Conflict
            | AppendError::ClaimTaken(_)
            | AppendError::Repeated { .. }),
        ) => Failure::Unexpected(in_words(&error)),
        ExecuteError::Busy => Failure::Unexpected("the aggregate is too busy".to_owned()),
        ExecuteError::ClaimTaken(claim) => Failure::Unexpected(format!("{claim} is taken")),
        ExecuteError::Unreadable(reason) => Failure::Unexpected(reason),
    }
}
