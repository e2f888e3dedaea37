//! A command in a process group of its own, bounded in time, its output read as lines.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::own_settings;

/// How long a command has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is awaited after the end of a command: something it left in the background may
/// hold the pipe for ever.
const DRAIN: Duration = Duration::from_secs(1);
/// A longer line is cut, in bytes.
const LONGEST_LINE: usize = 2_000;
/// How many lines are kept for whoever wants to know why something failed.
const LAST_LINES: usize = 20;

/// How a command came to its end.
#[derive(Debug)]
pub(super) enum Ran {
    Exited(ExitStatus),
    Cancelled,
    TimedOut,
}

/// Runs a command, which has nothing to read, and hands out the lines of its stdout and stderr as they come. When it
/// is cancelled or takes too long, its whole process group is ended, and also when this is dropped.
pub(super) async fn run(
    mut command: Command,
    stdin: Stdio,
    timeout: Duration,
    cancel: &CancellationToken,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> io::Result<Ran> {
    if cancel.is_cancelled() {
        return Ok(Ran::Cancelled);
    }
    // One pipe for both, so that lines keep their order.
    let (output, input) = io::pipe()?;
    command.stdin(stdin).stdout(input.try_clone()?).stderr(input);
    own_settings::hide(&mut command);
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    // It holds the pipe's other end: as long as it lives, the output has no end.
    drop(command);
    let mut group = Group::of(&child)?;
    let output = Receiver::from_owned_fd(output.into())?;

    let mut following = pin!(follow(&mut child, output, on_line));
    let why = tokio::select! {
        status = &mut following => {
            group.is_running = false;
            return status.map(Ran::Exited);
        }
        () = cancel.cancelled() => Ran::Cancelled,
        () = tokio::time::sleep(timeout) => Ran::TimedOut,
    };
    group.signal(Signal::SIGTERM);
    let ended = tokio::time::timeout(GRACE, &mut following).await.is_ok();
    // Also when it has ended, for those in its group that have not.
    group.signal(Signal::SIGKILL);
    if !ended {
        // Bounded too: what waits for a disk that is gone cannot be killed.
        drop(tokio::time::timeout(GRACE, following).await);
    }
    group.is_running = false;
    Ok(why)
}

/// Reads lines until the process has ended.
async fn follow(
    child: &mut Child,
    mut output: Receiver,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> io::Result<ExitStatus> {
    let mut lines = Lines::default();
    let mut buffer = [0; 4096];
    let mut is_open = true;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            read = output.read(&mut buffer), if is_open => {
                let read = read?;
                is_open = read > 0;
                lines.feed(&buffer[..read], on_line);
            }
        }
    };
    let rest = async {
        while let Ok(read @ 1..) = output.read(&mut buffer).await {
            lines.feed(&buffer[..read], on_line);
        }
    };
    // Too late for whatever comes later.
    drop(tokio::time::timeout(DRAIN, rest).await);
    lines.end(on_line);
    Ok(status)
}

/// A process group that does not outlive this.
struct Group {
    id: Pid,
    is_running: bool,
}

impl Group {
    fn of(child: &Child) -> io::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| io::Error::other("the process has no id"))?;
        Ok(Self { id: Pid::from_raw(id), is_running: true })
    }

    fn signal(&self, signal: Signal) {
        // Fails when nobody is left, and that is what is wanted.
        let _ = killpg(self.id, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_running {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// Bytes into lines: they end with a newline or, where a terminal would write over them, a carriage
/// return; colours are left out, and so are empty lines.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], on_line: &mut (dyn FnMut(&str) + Send)) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.end(on_line);
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(byte);
            }
        }
    }

    fn end(&mut self, on_line: &mut (dyn FnMut(&str) + Send)) {
        let line = plain(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        if !line.trim().is_empty() {
            on_line(line.trim_end());
        }
    }
}

/// Text without escape sequences and other control characters.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' && letters.clone().next() == Some('[') {
            // `[`, parameters, and a final letter.
            letters.find(|letter| ('@'..='~').contains(letter) && *letter != '[');
        } else if !letter.is_control() {
            plain.push(letter);
        }
    }
    plain
}

/// The last lines of an output.
#[derive(Debug, Default)]
pub(super) struct LastLines(VecDeque<String>);

impl LastLines {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == LAST_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }
}

impl From<LastLines> for Vec<String> {
    fn from(lines: LastLines) -> Self {
        lines.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut on_line = |line: &str| found.push(line.to_owned());
        for chunk in chunks {
            lines.feed(chunk, &mut on_line);
        }
        lines.end(&mut on_line);
        found
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b" 1%\r 2%\r\n\x1b[0mdone \x1b[1;31mwell\x1b[0m\n\n\x07caf\xc3\xa9 \xff";
        let expected = [" 1%", " 2%", "done well", "caf\u{e9} \u{fffd}"];
        assert_eq!(lines(&[text]), expected);
        assert_eq!(lines(&text.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let endless = vec![b'x'; 3 * LONGEST_LINE];
        let found = lines(&[&endless, b"\nnext"]);
        assert_eq!((found[0].len(), found[1].as_str()), (LONGEST_LINE, "next"));
    }
}
