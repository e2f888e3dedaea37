//! Threads that come last: a rebuild has time, those who wait for a status have not.
//!
//! They have the lowest priority. That holds among the threads of a session or a container, and not for
//! the database's processes that work for them; so they also rest when they are made to wait for a
//! processor, which says that others want it.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

use super::RebuildError;

/// One reads and decodes the log, the other folds and writes.
const THREADS: usize = 2;
/// The lowest priority there is. It is the thread's on Linux; where it would be the whole process's, it is
/// left as it is.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// A runtime whose threads get what others leave.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("rebuild")
            .enable_all()
            .on_thread_start(|| {
                be_nice();
                waiting::enter();
            })
            .on_thread_stop(waiting::leave)
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Works there; dropped half-way, so is the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RebuildError>> + Send + 'static,
    ) -> Result<T, RebuildError> {
        let Some(runtime) = &self.0 else { return Err(RebuildError::Ended) };
        match AbortOnDropHandle::new(runtime.spawn(work)).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(RebuildError::Ended),
            },
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // To wait for the threads is not allowed where futures are polled.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn be_nice() {
    // Without it a rebuild is the same, only less polite.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the priority of a thread cannot be lowered");
    }
}

#[cfg(not(target_os = "linux"))]
fn be_nice() {}

/// Notices for how long these threads were made to wait.
pub(super) struct Courtesy {
    waited: Duration,
}

/// For each moment that one of them waited for a processor it rests for so many.
const REST: u32 = 2;
/// But not for longer than this at a time.
const LONGEST_REST: Duration = Duration::from_millis(500);

impl Courtesy {
    pub(super) fn new() -> Self {
        Self { waited: waiting::sum() }
    }

    /// Rests, if they were made to wait since this was last called.
    pub(super) async fn rest(&mut self) {
        let waited = waiting::sum();
        let rest = (waited.saturating_sub(self.waited) * REST).min(LONGEST_REST);
        self.waited = waited;
        if rest > Duration::from_millis(1) {
            tokio::time::sleep(rest).await;
        }
    }
}

/// How long the threads were ready to run and did not, as Linux counts it.
#[cfg(target_os = "linux")]
mod waiting {
    use std::fs;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use rustix::thread::{Pid, gettid};

    static THREADS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

    fn threads() -> MutexGuard<'static, Vec<Pid>> {
        THREADS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter() {
        threads().push(gettid());
    }

    pub(super) fn leave() {
        let own = gettid();
        threads().retain(|thread| *thread != own);
    }

    /// Where it is not counted, nobody waits.
    pub(super) fn sum() -> Duration {
        threads().iter().filter_map(|thread| of(*thread)).sum()
    }

    /// The second of the file's numbers, in nanoseconds.
    fn of(thread: Pid) -> Option<Duration> {
        let path = format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero());
        let waited = fs::read_to_string(path).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(waited))
    }
}

#[cfg(not(target_os = "linux"))]
mod waiting {
    use std::time::Duration;

    pub(super) const fn enter() {}

    pub(super) const fn leave() {}

    pub(super) const fn sum() -> Duration {
        Duration::ZERO
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::Threads;

    #[tokio::test]
    async fn its_threads_come_last_and_no_others_do() {
        let threads = Threads::start().unwrap();
        let there = threads.run(async { Ok(getpriority_process(None).unwrap()) }).await.unwrap();
        let here = getpriority_process(None).unwrap();
        assert_eq!(there, 19);
        assert!(here < 19, "{here}");
    }
}
