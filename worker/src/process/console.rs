//! Lines for the process's standard input.

use std::io;
use std::time::Duration;

use nix::libc;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::Process;
use crate::run_dir::CONSOLE;

/// The longest line, in bytes. With its newline it is written whole or not at all: a pipe guarantees that up to
/// 4,096 bytes (on Linux; elsewhere it may be less).
const LONGEST_LINE: usize = 4_000;
/// How long a game server that is busy may leave its console unread.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a line did not reach a game server's console. It did not reach it in part either.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// A newline would be a second line, an escape sequence might be anything.
    #[error("the line has the control character {0:?} in it")]
    ControlCharacter(char),
    /// It could be torn apart.
    #[error("the line has {bytes} bytes; {LONGEST_LINE} are the most")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Lines from before fill the pipe.
    #[error("the game server does not read its console: what was written before is still waiting")]
    NotRead,
    /// It closed its standard input, or has ended.
    #[error("the game server has closed its console")]
    Closed,
    /// The FIFO cannot be written.
    #[error("the console cannot be written: {0}")]
    Io(#[source] io::Error),
}

impl Process {
    /// Writes one line to the process's standard input; a newline is added. Waits up to five seconds for a
    /// game server that does not read. Cancel safe: a line that was not written will not be.
    ///
    /// # Errors
    /// See [`ConsoleError`].
    pub async fn write_line(&self, line: &str) -> Result<(), ConsoleError> {
        let is_refused = |character: &char| character.is_control() && *character != '\t';
        if let Some(character) = line.chars().find(is_refused) {
            return Err(ConsoleError::ControlCharacter(character));
        }
        if line.len() > LONGEST_LINE {
            return Err(ConsoleError::TooLong { bytes: line.len() });
        }
        let pipe = match pipe::OpenOptions::new().open_sender(self.dir.file(CONSOLE)) {
            Ok(pipe) => pipe,
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                return Err(ConsoleError::Closed);
            }
            Err(error) => return Err(ConsoleError::Io(error)),
        };
        let line = format!("{line}\n");
        let written = timeout(PATIENCE, write(&pipe, line.as_bytes()));
        match written.await.map_err(|_| ConsoleError::NotRead)? {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ConsoleError::Closed),
            Err(error) => Err(ConsoleError::Io(error)),
        }
    }
}

/// Writes as soon as there is room: all at once, where the system takes that much at once.
async fn write(pipe: &pipe::Sender, mut line: &[u8]) -> io::Result<()> {
    loop {
        pipe.writable().await?;
        match pipe.try_write(line) {
            Ok(bytes) if bytes == line.len() => return Ok(()),
            Ok(bytes) => line = &line[bytes..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
