//! A game server's process as the agent sees it: launch, attach, console, stop.
//!
//! The agent is not the parent of a game server but knows it by its run directory, and so does the next agent.
//! The end of the `alive` FIFO says that the supervisor is gone; `ending.json` then says how the process ended.
//! Two game servers never run for one directory: whoever changes its files holds its lock, an agent that finds
//! it free makes sure that nothing is left running and that a supervisor who comes late finds nothing to start.
//!
//! | module | what it has |
//! |---|---|
//! | `launch` | starting a supervisor and waiting for its word |
//! | `attach` | finding out what became of a run |
//! | `alive` | the FIFO that tells that a supervisor is there |
//! | `console` | lines for the process's standard input |
//! | `stop` | ending it: the stop line, SIGTERM, SIGKILL |
//! | `tail` | the last of what it printed |
//! | `leftovers` | what a killed supervisor left running |
//! | `kernel` | what `/proc` says about a process |

use std::sync::{Mutex, PoisonError};

mod alive;
mod attach;
mod console;
pub(crate) mod kernel;
mod launch;
mod leftovers;
mod stop;
mod tail;

use self::alive::Alive;
use self::attach::conclude;
use self::stop::Stopping;
use self::tail::Tail;
use crate::run_dir::{Ending, RunDir, Started};

pub use self::attach::Attached;
pub use self::console::ConsoleError;
pub use self::launch::{LaunchError, Launched, Supervisor};
pub use self::stop::Stop;
pub use self::tail::OutputTail;
pub(crate) use self::tail::lines_text;

/// A game server's process, which runs or ran when this was made. Dropping it leaves the process alone.
#[derive(Debug)]
pub struct Process {
    dir: RunDir,
    started: Started,
    alive: Alive,
    ending: Option<Ending>,
    stopping: Option<Stopping>,
    tail: Mutex<Tail>,
}

impl Process {
    fn new(dir: RunDir, started: Started, alive: Alive) -> Self {
        Self { dir, started, alive, ending: None, stopping: None, tail: Mutex::default() }
    }

    /// The process's id and when it started.
    #[must_use]
    pub const fn started(&self) -> &Started {
        &self.started
    }

    /// Waits for the end and says how it came. Cancel safe; may be called again after it returned.
    ///
    /// When the supervisor was killed, this kills what is left of the process: nobody holds its console any
    /// more, and nobody would learn of its end.
    pub async fn ended(&mut self) -> Ending {
        if let Some(ending) = &self.ending {
            return ending.clone();
        }
        self.alive.gone().await;
        let ending = conclude(&self.dir).await;
        self.ending.insert(ending).clone()
    }

    /// The last lines it printed. Reads them only when there are more than last time; a few microseconds
    /// otherwise.
    #[must_use]
    pub fn tail(&self) -> OutputTail {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.refresh(&self.dir)
    }
}
