//! Background tasks with a name, none of which can end unnoticed.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::health::Health;

/// The background tasks of a process.
///
/// A task is expected to run until shutdown. One that ends before that, whether it returned, failed
/// or panicked, is logged, turns `/livez` to 503 and begins shutdown, so that the process ends with
/// an error and is started anew. It is not restarted in place: its connections and its memory are
/// exactly what is in doubt.
#[derive(Clone)]
pub struct Tasks {
    health: Health,
    shutdown: CancellationToken,
    tracker: TaskTracker,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    running: Vec<&'static str>,
    failed: Vec<&'static str>,
}

/// Some tasks did not end as they should. The exit status of the process says so too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tasks failed: [{}]; still running at the deadline: [{}]", .failed.join(", "), .running.join(", "))]
pub struct UncleanEnd {
    /// Tasks that ended before shutdown, or with an error after it began.
    pub failed: Vec<&'static str>,
    /// Tasks that had not ended at the deadline.
    pub running: Vec<&'static str>,
}

impl Tasks {
    /// No tasks yet. `shutdown` is the token of the process: an unexpected end cancels it.
    pub fn new(health: Health, shutdown: CancellationToken) -> Self {
        Self { health, shutdown, tracker: TaskTracker::new(), book: Arc::default() }
    }

    /// The token that tells a task to end.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs a task that ends by itself once [`Tasks::shutdown`] is cancelled.
    pub fn spawn<E: Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let tasks = self.clone();
        self.book().running.push(name);
        self.tracker.spawn(async move {
            let outcome = AssertUnwindSafe(task).catch_unwind().await;
            let problem = match outcome {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("it panicked".to_owned()),
            };
            tasks.ended(name, problem);
        });
    }

    fn ended(&self, name: &'static str, problem: Option<String>) {
        let expected = self.shutdown.is_cancelled();
        let mut book = self.book();
        if let Some(index) = book.running.iter().position(|running| *running == name) {
            book.running.swap_remove(index);
        }
        let problem = match (problem, expected) {
            (None, true) => return tracing::debug!(task = name, "task ended"),
            (None, false) => "it returned while it should run".to_owned(),
            (Some(problem), _) => problem,
        };
        book.failed.push(name);
        drop(book);
        tracing::error!(task = name, problem, "background task died");
        if !expected {
            self.health.task_died(name, problem);
            self.shutdown.cancel();
        }
    }

    /// Waits for shutdown to begin and then, for at most `deadline`, for all tasks to end.
    ///
    /// Fails if a task died, or is still running at the deadline. Such a task is left behind; it
    /// ends with the process.
    pub async fn finish(&self, deadline: Duration) -> Result<(), UncleanEnd> {
        self.shutdown.cancelled().await;
        self.tracker.close();
        let timely = tokio::time::timeout(deadline, self.tracker.wait()).await;
        let book = self.book();
        let running = match timely {
            Ok(()) => Vec::new(),
            Err(_) => book.running.clone(),
        };
        if book.failed.is_empty() && running.is_empty() {
            return Ok(());
        }
        Err(UncleanEnd { failed: book.failed.clone(), running })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::{Health, Tasks};

    const SOON: Duration = Duration::from_secs(5);

    fn tasks() -> (Tasks, Health) {
        let shutdown = CancellationToken::new();
        let health = Health::new(shutdown.clone());
        (Tasks::new(health.clone(), shutdown), health)
    }

    #[tokio::test]
    async fn a_task_that_ends_after_shutdown_began_is_fine() {
        let (tasks, health) = tasks();
        let shutdown = tasks.shutdown();
        tasks.spawn("patient", async move {
            shutdown.cancelled().await;
            Ok::<_, String>(())
        });
        tasks.shutdown().cancel();
        assert_eq!(tasks.finish(SOON).await, Ok(()));
        assert!(health.is_alive());
    }

    #[tokio::test]
    async fn a_task_that_fails_ends_the_process_and_its_liveness() {
        let (tasks, health) = tasks();
        tasks.spawn("doomed", async { Err("the broker bit me") });
        let end = tasks.finish(SOON).await.unwrap_err();
        assert_eq!(end.failed, ["doomed"]);
        assert!(!health.is_alive());
    }

    #[tokio::test]
    async fn a_task_that_just_returns_is_as_dead_as_one_that_fails() {
        let (tasks, health) = tasks();
        tasks.spawn("lazy", async { Ok::<_, String>(()) });
        assert_eq!(tasks.finish(SOON).await.unwrap_err().failed, ["lazy"]);
        assert!(!health.is_alive());
    }

    #[tokio::test]
    async fn a_panic_is_a_death_too() {
        let (tasks, _health) = tasks();
        tasks.spawn::<String>("clumsy", async { panic!("dropped a plate") });
        assert_eq!(tasks.finish(SOON).await.unwrap_err().failed, ["clumsy"]);
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_named() {
        let (tasks, _health) = tasks();
        tasks.spawn("stuck", std::future::pending::<Result<(), String>>());
        tasks.shutdown().cancel();
        let end = tasks.finish(Duration::from_millis(1)).await.unwrap_err();
        insta::assert_snapshot!(end, @"tasks failed: []; still running at the deadline: [stuck]");
    }
}
