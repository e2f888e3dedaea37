//! Where lines are kept: rotated files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::run_dir::{OUTPUT, OutputLimits, RunDir};

/// How long after a failure the file is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// A log of whole lines that never fails: what cannot be written is dropped, counted, and made known in the log
/// as soon as that is possible.
pub(super) struct Log {
    path: PathBuf,
    limits: OutputLimits,
    file: Option<File>,
    bytes: u64,
    lost: u64,
    not_before: Option<Instant>,
}

impl Log {
    pub(super) fn new(dir: &RunDir, limits: OutputLimits) -> Self {
        let path = dir.file(OUTPUT);
        Self { path, limits, file: None, bytes: 0, lost: 0, not_before: None }
    }

    /// Appends this many whole lines, or counts them as lost.
    pub(super) fn append(&mut self, lines: &[u8], count: u64) {
        let now = Instant::now();
        if self.not_before.is_some_and(|not_before| now < not_before) {
            self.lost += count;
        } else if self.try_append(lines).is_err() {
            self.file = None;
            self.lost += count;
            self.not_before = Some(now + PAUSE);
        } else {
            self.lost = 0;
            self.not_before = None;
        }
    }

    /// Makes known what was lost last.
    pub(super) fn finish(&mut self) {
        if self.lost > 0 {
            self.not_before = None;
            self.append(b"", 0);
        }
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > self.limits.file_bytes {
            self.rotate()?;
        }
        if self.lost > 0 {
            let notice = format!("… lost {} lines\n", self.lost);
            self.write(&[notice.as_bytes(), lines].concat())
        } else {
            self.write(lines)
        }
    }

    /// Writes all or nothing.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
                self.bytes = file.metadata()?.len();
                none.insert(file)
            }
        };
        if let Err(error) = file.write_all(lines) {
            // What a full disk still took ends in the middle of a line.
            drop(file.set_len(self.bytes));
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Moves every file one number up; the one with the highest number goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (0..self.limits.rotated_files).rev() {
            moved(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
        }
        // Without older files there is one to remove; with them it has moved.
        moved(fs::remove_file(&self.path))?;
        self.bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        path.into()
    }
}

/// A file that is not there needs no moving.
fn moved(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn log(directory: &tempfile::TempDir, limits: OutputLimits) -> Log {
        Log::new(&RunDir::at(directory.path().to_path_buf()), limits)
    }

    #[test]
    fn files_are_rotated_and_bounded_in_number() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(&directory, OutputLimits { file_bytes: 10, rotated_files: 2 });
        for number in 0..9 {
            log.append(format!("line {number}\n").as_bytes(), 1);
        }
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).ok();
        assert_eq!(read("output.log").unwrap(), "line 8\n");
        assert_eq!(read("output.log.1").unwrap(), "line 6\nline 7\n");
        assert_eq!(read("output.log.2").unwrap(), "line 4\nline 5\n");
        assert_eq!(read("output.log.3"), None);
    }

    #[test]
    fn without_older_files_the_current_one_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(&directory, OutputLimits { file_bytes: 5, rotated_files: 0 });
        log.append(b"one two\n", 1);
        log.append(b"three\n", 1);
        assert_eq!(fs::read(directory.path().join("output.log")).unwrap(), b"three\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_full_disk_lost_is_counted_and_made_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.log");
        symlink("/dev/full", &path).unwrap();
        let mut log = log(&directory, OutputLimits::default());
        log.append(b"one\ntwo\n", 2);
        log.append(b"three\n", 1);
        fs::remove_file(&path).unwrap();
        log.not_before = None;
        log.append(b"four\n", 1);
        log.append(b"five\n", 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "… lost 3 lines\nfour\nfive\n");
    }

    #[test]
    fn the_last_loss_is_made_known_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.log");
        fs::create_dir(&path).unwrap();
        let mut log = log(&directory, OutputLimits::default());
        log.append(b"one\n", 1);
        fs::remove_dir(&path).unwrap();
        log.finish();
        assert_eq!(fs::read_to_string(&path).unwrap(), "… lost 1 lines\n");
    }
}
