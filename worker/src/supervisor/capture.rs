//! A process's output: lines out of two streams.

use std::fs::{File, OpenOptions};
use std::future::pending;
use std::io;
use std::os::unix::fs::FileExt;

use tokio::net::unix::pipe;

use super::game::Output;
use super::last_lines::LastLines;
use super::log::Log;
use crate::process::lines_text;
use crate::run_dir::{LINES, OutputLimits, RunDir};

/// The longest line that is kept whole, in bytes.
const LONGEST_LINE: usize = 8 * 1024;
/// How much is read at once. Whatever a process prints, this, two started lines and the last lines are all that
/// is in memory: when nobody can keep up, the process waits for its pipe as it would for a terminal.
const BUFFER: usize = 32 * 1024;

/// Takes lines from a process's two streams and keeps them.
pub(super) struct Capture {
    stdout: Stream,
    stderr: Stream,
    buffer: Box<[u8]>,
    batch: Batch,
    kept: Kept,
}

impl Capture {
    pub(super) fn new(dir: &RunDir, limits: OutputLimits, output: Output) -> Self {
        let [stdout, stderr] = output.map(Stream::new);
        Self {
            stdout,
            stderr,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            batch: Batch::default(),
            kept: Kept {
                log: Log::new(dir, limits),
                last: LastLines::default(),
                counter: OpenOptions::new().write(true).open(dir.file(LINES)).ok(),
                lines: 0,
            },
        }
    }

    /// Waits for output and keeps it; for ever once both streams are over. Nothing is lost when it is dropped.
    pub(super) async fn some(&mut self) {
        let stream = tokio::select! {
            () = self.stdout.ready() => &mut self.stdout,
            () = self.stderr.ready() => &mut self.stderr,
        };
        stream.read(&mut self.buffer, &mut self.batch);
        self.kept.take(&mut self.batch);
    }

    /// Whether both streams have come to their end.
    pub(super) const fn is_over(&self) -> bool {
        self.stdout.pipe.is_none() && self.stderr.pipe.is_none()
    }

    /// Keeps what is left of lines that were not finished. Returns the last lines, oldest first.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.stdout.end(&mut self.batch);
        self.stderr.end(&mut self.batch);
        self.kept.take(&mut self.batch);
        self.kept.log.finish();
        self.kept.last.into_lines()
    }
}

/// Whole lines, each with its newline.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

/// Where lines are kept.
struct Kept {
    log: Log,
    last: LastLines,
    /// Without it, when it could not be opened, the agent sees no new lines; the rest goes on.
    counter: Option<File>,
    lines: u64,
}

impl Kept {
    fn take(&mut self, batch: &mut Batch) {
        if batch.lines == 0 {
            return;
        }
        self.log.append(&batch.bytes, batch.lines);
        self.last.take(&batch.bytes);
        self.lines += batch.lines;
        // After the lines: who reads the number first and the lines then misses none.
        if let Some(counter) = &self.counter {
            drop(counter.write_all_at(lines_text(self.lines).as_bytes(), 0));
        }
        batch.bytes.clear();
        batch.lines = 0;
    }
}

/// One of the two streams, and the line it is in the middle of.
struct Stream {
    pipe: Option<pipe::Receiver>,
    line: Vec<u8>,
}

impl Stream {
    const fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe: Some(pipe), line: Vec::new() }
    }

    async fn ready(&self) {
        match &self.pipe {
            // An error shows again when reading.
            Some(pipe) => drop(pipe.readable().await),
            None => pending().await,
        }
    }

    fn read(&mut self, buffer: &mut [u8], batch: &mut Batch) {
        let Some(pipe) = &self.pipe else { return };
        match pipe.try_read(buffer) {
            Ok(0) => self.end(batch),
            Ok(bytes) => self.take(&buffer[..bytes], batch),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.end(batch),
        }
    }

    fn take(&mut self, bytes: &[u8], batch: &mut Batch) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.extend(end, batch);
                    self.end_line(batch);
                }
                None => self.extend(piece, batch),
            }
        }
    }

    fn extend(&mut self, mut bytes: &[u8], batch: &mut Batch) {
        while self.line.len() + bytes.len() > LONGEST_LINE {
            let (fits, rest) = bytes.split_at(LONGEST_LINE - self.line.len());
            self.line.extend_from_slice(fits);
            self.end_line(batch);
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
    }

    fn end_line(&mut self, batch: &mut Batch) {
        batch.bytes.append(&mut self.line);
        batch.bytes.push(b'\n');
        batch.lines += 1;
    }

    fn end(&mut self, batch: &mut Batch) {
        self.pipe = None;
        if !self.line.is_empty() {
            self.end_line(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut stream = Stream { pipe: None, line: Vec::new() };
        let mut batch = Batch::default();
        for chunk in chunks {
            stream.take(chunk, &mut batch);
        }
        stream.end(&mut batch);
        let lines = batch.bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        let lines = lines.collect::<Vec<_>>();
        assert_eq!(lines.len() as u64, batch.lines);
        lines
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        assert_eq!(
            lines(&[b"a", b"b\n\nc", b"d"]),
            [b"ab\n".to_vec(), b"\n".to_vec(), b"cd\n".to_vec()]
        );
        assert_eq!(lines(&[b"\xff\x00\r\n"]), [b"\xff\x00\r\n".to_vec()]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_into_pieces() {
        let long = [vec![b'x'; 2 * LONGEST_LINE + 1], b"\n".to_vec()].concat();
        let lengths = |chunks: &[&[u8]]| lines(chunks).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[&long]), [LONGEST_LINE + 1, LONGEST_LINE + 1, 2]);
        assert_eq!(
            lengths(&[&long[..10_000], &long[10_000..]]),
            [LONGEST_LINE + 1, LONGEST_LINE + 1, 2]
        );
        let exact = [vec![b'x'; LONGEST_LINE], b"\nend\n".to_vec()].concat();
        assert_eq!(lengths(&[&exact]), [LONGEST_LINE + 1, 4]);
    }
}
