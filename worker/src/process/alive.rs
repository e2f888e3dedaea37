//! The FIFO that tells that a supervisor is there.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;
use tokio::net::unix::pipe;

use crate::run_dir::{ALIVE, RunDir};

/// The agent's end of a run's `alive`, whose other end a supervisor has open for as long as it lives.
#[derive(Debug)]
pub(super) struct Alive {
    pipe: pipe::Receiver,
}

/// What was learnt from [`Alive::next`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The process runs, `started.json` is there.
    Runs,
    /// Nobody has the other end any more.
    Gone,
}

impl Alive {
    /// Opens it; `None` when nobody has the other end.
    pub(super) fn open(dir: &RunDir) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).custom_flags(libc::O_NONBLOCK).open(dir.file(ALIVE))?;
        // Where there has been no other end since the opening, waiting would never report its absence: ask.
        match file.read(&mut [0]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(Some(Self { pipe: pipe::Receiver::from_file(file)? }))
    }

    /// Waits until something is heard. Cancel safe.
    pub(super) async fn next(&mut self) -> News {
        loop {
            // What cannot be read any more tells nothing any more; the files then say what is so.
            if self.pipe.readable().await.is_err() {
                return News::Gone;
            }
            match self.pipe.try_read(&mut [0]) {
                Ok(1..) => return News::Runs,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return News::Gone,
            }
        }
    }

    /// Waits until the supervisor is gone. Cancel safe.
    pub(super) async fn gone(&mut self) {
        while self.next().await != News::Gone {}
    }
}
