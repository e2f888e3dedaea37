//! The last of what a process printed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::run_dir::{LINES, OUTPUT, RunDir};
use crate::supervisor::{LAST_LINES, plain};

/// How much of a file is looked at for its last lines, in bytes.
const WINDOW: u64 = 64 * 1024;

/// The last lines that a process printed, without colours and control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputTail {
    /// How many lines it has printed so far. Never decreases; counts what was rotated away or lost too.
    pub lines_total: u64,
    /// The last of them, oldest first: at most 50, of at most 500 characters each.
    pub lines: Vec<String>,
}

/// A tail and what was known of the file when it was read.
#[derive(Debug, Default)]
pub(super) struct Tail {
    known: OutputTail,
}

impl Tail {
    /// The tail as it is now, as far as it can be read.
    pub(super) fn refresh(&mut self, dir: &RunDir) -> OutputTail {
        // Before the lines: what is printed in between makes the number change again.
        let lines_total = lines_total(dir).unwrap_or(0);
        if lines_total > self.known.lines_total
            && let Ok(lines) = last_lines(dir)
        {
            self.known = OutputTail { lines_total, lines };
        }
        self.known.clone()
    }
}

/// What is in `output.lines`: the number twice, in as many bytes as ever. It is written over while others read,
/// so a reader takes it only when both are the same.
pub(crate) fn lines_text(lines: u64) -> String {
    format!("{lines:020} {lines:020}\n")
}

/// `None` when it is just being written, which the next look makes good, or is not there.
fn lines_total(dir: &RunDir) -> Option<u64> {
    let text = fs::read_to_string(dir.file(LINES)).ok()?;
    let (first, second) = text.trim().split_once(' ')?;
    (first == second).then(|| first.parse().ok()).flatten()
}

/// The last lines of a run, whether it runs or not.
pub(super) fn last_lines(dir: &RunDir) -> io::Result<Vec<String>> {
    let path = dir.file(OUTPUT);
    let older = dir.file(&format!("{OUTPUT}.1"));
    let current = Window::read(&path)?;
    let older = match &current {
        Some(window) if window.has_enough() => None,
        _ => Window::read(&older)?,
    };
    // Rotated while this was reading: both are the same file, and the new one is as good as empty.
    let older =
        older.filter(|older| current.as_ref().is_none_or(|current| current.inode != older.inode));
    let windows = [older, current];
    let lines = windows.iter().flatten().flat_map(Window::lines).collect::<Vec<_>>();
    let last = lines.iter().skip(lines.len().saturating_sub(LAST_LINES));
    Ok(last.map(|line| plain(line)).collect())
}

/// The end of a file.
struct Window {
    bytes: Vec<u8>,
    inode: u64,
    is_whole_file: bool,
}

impl Window {
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        let start = found.len().saturating_sub(WINDOW);
        let mut bytes = vec![0; usize::try_from(found.len() - start).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        Ok(Some(Self { bytes, inode: found.ino(), is_whole_file: start == 0 }))
    }

    /// Whether the file before it is of no interest.
    fn has_enough(&self) -> bool {
        !self.is_whole_file || self.lines().count() >= LAST_LINES
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        // Its beginning is out of sight.
        let lines = lines.skip(usize::from(!self.is_whole_file));
        lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(files: &[(&str, &str)]) -> (tempfile::TempDir, RunDir) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let dir = RunDir::at(directory.path().to_path_buf());
        (directory, dir)
    }

    fn numbered(lines: std::ops::Range<u32>) -> String {
        lines.map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn a_short_file_is_completed_from_the_one_before() {
        let (_directory, dir) =
            dir(&[("output.log.1", &numbered(0..100)), ("output.log", &numbered(100..110))]);
        let lines = last_lines(&dir).unwrap();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!((lines[0].as_str(), lines[49].as_str()), ("line 60", "line 109"));
    }

    #[test]
    fn of_a_long_file_only_its_end_is_read() {
        let (_directory, dir) = dir(&[("output.log", &numbered(0..20_000))]);
        let lines = last_lines(&dir).unwrap();
        assert_eq!((lines[0].as_str(), lines[49].as_str()), ("line 19950", "line 19999"));
        assert_eq!(last_lines(&self::dir(&[]).1).unwrap(), [""; 0]);
    }

    #[test]
    fn lines_are_read_again_only_when_there_are_more() {
        let (_directory, dir) = dir(&[("output.log", "one\n"), ("output.lines", &lines_text(1))]);
        let mut tail = Tail::default();
        let one = OutputTail { lines_total: 1, lines: vec!["one".to_owned()] };
        assert_eq!(tail.refresh(&dir), one);
        fs::write(dir.file(OUTPUT), "one\ntwo\n").unwrap();
        assert_eq!(tail.refresh(&dir), one);
        fs::write(dir.file(LINES), lines_text(2)).unwrap();
        assert_eq!(tail.refresh(&dir).lines, ["one", "two"]);
        fs::write(dir.file(LINES), "00000000000000000003 00000000000000000002\n").unwrap();
        assert_eq!(tail.refresh(&dir).lines_total, 2);
    }
}
