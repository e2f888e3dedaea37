//! The loop that everything that follows the log shares: work while there is work, stand by while
//! another replica works, wait for the log to grow, and try again after a failure, for ever.

use std::error::Error;
use std::time::Duration;

use event_store::{Log, Position};
use messaging::PublishError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::pause::Pause;
use crate::status::PieceStatus;

/// How often the log is looked at when no notification comes, and how soon a stand-by takes over.
const POLL: Duration = Duration::from_millis(100);
/// The least time between two batches that were not full. A batch costs a score of round trips whatever
/// its size; under load this lets events gather instead of paying for each.
const PACE: Duration = Duration::from_millis(5);
/// How long a step may take. One that takes longer waits for a connection that fell silent without an
/// end, which nothing else would notice for a quarter of an hour.
pub(crate) const LONGEST_STEP: Duration = Duration::from_secs(30);
/// How long work in flight may go on after shutdown began.
const GRACE: Duration = Duration::from_secs(5);

/// Something that follows the log by a checkpoint.
pub(crate) trait Subscription {
    /// The next batch, all of it or nothing. Dropped half-way it has done nothing.
    fn step(&mut self) -> impl Future<Output = Result<Step, SubscriptionError>> + Send;
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Others hold the leases.
    StandBy,
    /// There is nothing after this position.
    Idle(Position),
    /// Everything up to this position is done.
    Worked(Position),
    /// So it is, and there is more.
    WorkedWithMore(Position),
}

/// Why a subscription does not go on. It stays where it is and tries again.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The database does not answer, or refuses.
    #[error("the database refuses")]
    Database(#[from] sqlx::Error),
    /// Nothing was heard of the database or the broker for half a minute.
    #[error("no answer within 30 s")]
    Silent,
    /// The broker does not take what is to be published.
    #[error("the broker does not take what is to be published")]
    Publish(#[from] PublishError),
    /// A command found no queue although its worker's queue was just declared.
    #[error("a command to worker {worker_id} was returned: {reply}")]
    Unroutable {
        /// The worker.
        worker_id: i32,
        /// The broker's reply.
        reply: String,
    },
    /// A message could not be written as JSON.
    #[error("a message cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl SubscriptionError {
    /// How long to wait before the next attempt, where the broker's link knows: it has its own back-off.
    fn known_wait(&self) -> Option<Duration> {
        match self {
            Self::Publish(PublishError::Waiting(wait)) => Some(*wait),
            _ => None,
        }
    }
}

/// An error and its sources on one line: readiness shows it, and a database's own words are a source.
pub(crate) fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        source = cause.source();
    }
    words
}

/// Follows the log until shutdown.
pub(crate) async fn follow(
    name: &'static str,
    subscription: &mut (impl Subscription + Send),
    log: &Log,
    status: &PieceStatus,
    shutdown: &CancellationToken,
) {
    let mut wakeups = log.wakeups();
    let mut pause = Pause::new();
    while !shutdown.is_cancelled() {
        let started = Instant::now();
        let step = timeout(LONGEST_STEP, subscription.step());
        let outcome = tokio::select! {
            outcome = step => outcome.unwrap_or(Err(SubscriptionError::Silent)),
            () = overdue(shutdown) => return,
        };
        match outcome {
            Ok(step) => {
                pause.reset();
                status.works();
                let rest = async {
                    match step {
                        Step::StandBy => sleep(POLL).await,
                        Step::Idle(position) => {
                            wakeups.wait(position, POLL).await;
                        }
                        Step::Worked(position) => {
                            sleep_until(started + PACE).await;
                            wakeups.wait(position, POLL).await;
                        }
                        Step::WorkedWithMore(_) => {}
                    }
                };
                if let Step::Idle(position)
                | Step::Worked(position)
                | Step::WorkedWithMore(position) = step
                {
                    status.reached(position);
                }
                shutdown.run_until_cancelled(rest).await;
            }
            Err(error) => {
                let wait = match error.known_wait() {
                    Some(wait) => wait,
                    None => {
                        let problem = in_words(&error);
                        if status.fails(problem.clone()) {
                            tracing::error!(
                                subscription = name,
                                problem,
                                "{name} does not get on; it keeps trying"
                            );
                        }
                        pause.after_failure()
                    }
                };
                shutdown.run_until_cancelled(sleep(wait)).await;
            }
        }
    }
}

async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    sleep(GRACE).await;
}
