//! Threads that come last: a rebuild has time, those who wait for a status have not.

use std::io;

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
            .on_thread_start(be_nice)
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
