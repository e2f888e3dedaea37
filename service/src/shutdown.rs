//! When a program is asked to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process at
/// once, with 128 + the signal's number as its exit status, for the operator who does not want to
/// wait for the drain.
///
/// Must be called inside a Tokio runtime. Fails if the handlers cannot be registered.
pub fn on_signal() -> io::Result<CancellationToken> {
    by_signal().map(|signals| signals.either)
}

/// Tokens for programs to which SIGTERM and SIGINT are two requests.
#[derive(Clone, Debug, Default)]
pub struct BySignal {
    /// Cancelled when the first signal is SIGTERM.
    pub terminate: CancellationToken,
    /// Cancelled when the first signal is SIGINT, as by Ctrl-C.
    pub interrupt: CancellationToken,
    /// Cancelled with any of the two.
    pub either: CancellationToken,
}

/// As [`on_signal`], telling which signal it was.
pub fn by_signal() -> io::Result<BySignal> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let tokens = BySignal::default();
    let first = tokens.clone();
    tokio::spawn(async move {
        let (name, status) = signals.next().await;
        tracing::info!(signal = name, "shutting down; a second signal exits at once");
        let asked = if status == TERMINATED { &first.terminate } else { &first.interrupt };
        asked.cancel();
        first.either.cancel();
        let (name, status) = signals.next().await;
        tracing::warn!(signal = name, "exiting without finishing the work in flight");
        std::process::exit(status);
    });
    Ok(tokens)
}

/// The exit status that stands for SIGTERM: 128 + 15.
const TERMINATED: i32 = 143;
/// The exit status that stands for SIGINT: 128 + 2.
const INTERRUPTED: i32 = 130;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// The next signal's name and the exit status that stands for it.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", TERMINATED),
            _ = self.interrupt.recv() => ("SIGINT", INTERRUPTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    /// Not a test of its own: the process that the test below sends signals to.
    #[tokio::test]
    #[ignore = "started by the test of the second signal"]
    async fn process_under_signals() {
        let token = super::on_signal().unwrap();
        eprintln!("ready");
        token.cancelled().await;
        eprintln!("draining");
        std::future::pending::<()>().await;
    }

    #[test]
    fn the_first_signal_begins_shutdown_and_the_second_exits() {
        let name = "shutdown::tests::process_under_signals";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--ignored", "--nocapture"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id().to_string();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for (line, signal) in [("ready", "-TERM"), ("draining", "-INT")] {
            assert!(lines.any(|found| found.unwrap().contains(line)), "{line}");
            Command::new("kill").args([signal, &pid]).status().unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}
