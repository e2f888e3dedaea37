//! Progress of a long piece of work on stderr: a bar in a terminal, a line now and then in a log.

use std::io::{self, IsTerminal, Write};
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use projectors::Progress;

use super::output::grouped;

/// How often a bar is drawn anew at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How often a log gets a line at most.
const LINE: Duration = Duration::from_secs(5);
/// Characters between the brackets of a bar.
const WIDTH: usize = 30;
/// Returns to the first column and clears the line.
const CLEAR: &str = "\r\x1b[2K";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Quiet,
    Bar,
    Lines,
}

/// Shows progress from its making until it is dropped.
pub struct Reporter {
    style: Style,
    /// When filling began, and where: what was done before says nothing about how fast it goes.
    began: Option<(Instant, i64)>,
    /// When something was shown last, and what kind of progress it was.
    shown: Option<(Instant, Discriminant<Progress>)>,
}

impl Reporter {
    pub fn new(quiet: bool) -> Self {
        let style = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        Self { style, began: None, shown: None }
    }

    pub fn tell(&mut self, progress: Progress) {
        let pause = match self.style {
            Style::Quiet => return,
            Style::Bar => REDRAW,
            Style::Lines => LINE,
        };
        if let Progress::Filling { done, .. } = progress {
            self.began.get_or_insert((Instant::now(), done.0));
        }
        let is_end = matches!(progress, Progress::Filling { done, of } if done >= of);
        let kind = discriminant(&progress);
        let is_soon = |(at, shown): (Instant, _)| at.elapsed() < pause && shown == kind;
        if !is_end && self.shown.is_some_and(is_soon) {
            return;
        }
        self.shown = Some((Instant::now(), kind));
        let text = match progress {
            Progress::Filling { done, of } => {
                let (at, from) = self.began.unwrap_or((Instant::now(), done.0));
                let text = filling(done.0, of.0, done.0 - from, at.elapsed());
                if self.style == Style::Bar {
                    format!("{} {text}", bar(done.0, of.0))
                } else {
                    text
                }
            }
            Progress::Indexing { table } => format!("building the indexes of {table}"),
            Progress::Comparing { table } => format!("comparing {table}"),
            Progress::Waiting { pid, seconds } => format!(
                "waiting for a reader: the database session with pid {pid}, for {}",
                span(u64::try_from(seconds).unwrap_or_default())
            ),
        };
        let mut stderr = io::stderr().lock();
        // Progress that nobody can read is no reason to stop.
        let _ = match self.style {
            Style::Bar => write!(stderr, "{CLEAR}{text}").and_then(|()| stderr.flush()),
            _ => writeln!(stderr, "{text}"),
        };
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if self.style == Style::Bar && self.shown.is_some() {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

fn share(done: i64, of: i64) -> f64 {
    if of > 0 { (done as f64 / of as f64).min(1.0) } else { 1.0 }
}

fn bar(done: i64, of: i64) -> String {
    let full = (share(done, of) * WIDTH as f64) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}

/// How much, how fast that is with what was done `here`, and how long it will take at this rate.
fn filling(done: i64, of: i64, here: i64, elapsed: Duration) -> String {
    let percent = share(done, of) * 100.0;
    let text = format!("{percent:5.1} %  {} of {} events", grouped(done), grouped(of));
    let rate = here as f64 / elapsed.as_secs_f64();
    // Of the first moments a rate says nothing.
    if here <= 0 || elapsed < Duration::from_millis(200) {
        return text;
    }
    let left = (of - done).max(0) as f64 / rate;
    format!("{text}, {}/s, {} left", grouped(rate as i64), span(left as u64))
}

fn span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bar, filling};

    #[test]
    fn a_rate_and_the_time_left_follow_from_what_is_done() {
        let text = filling(1_000_000, 5_000_000, 1_000_000, Duration::from_secs(8));
        assert_eq!(text, " 20.0 %  1,000,000 of 5,000,000 events, 125,000/s, 32 s left");
        let text = filling(100, 1_000_000, 100, Duration::from_secs(1));
        assert!(text.ends_with("100/s, 2 h 46 min left"), "{text}");
    }

    #[test]
    fn nothing_to_do_is_all_done() {
        assert_eq!(filling(0, 0, 0, Duration::ZERO), "100.0 %  0 of 0 events");
        assert_eq!(bar(0, 0), format!("[{}]", "#".repeat(30)));
        assert_eq!(bar(1, 3), format!("[{}{}]", "#".repeat(10), ".".repeat(20)));
    }
}
