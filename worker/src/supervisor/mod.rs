//! The process beside a game server: `manman supervise <run directory>`.
//!
//! It holds the game server's console, keeps its output and waits for its end, so that all three survive the
//! agent. It takes no orders but the directory's `spec.json`: lines go to the game server's console past it,
//! signals too. Hundreds of these run on a host, so it has one thread, buffers of fixed size, and no log but
//! its directory.
//!
//! | module | what it has |
//! |---|---|
//! | `oversee` | a supervisor's life, and with it the game server's |
//! | `lock` | one at a time may change a run's files |
//! | `game` | starting the process, with its console |
//! | `explain` | why it could not be started |
//! | `capture` | its output: lines out of two streams |
//! | `log` | where the lines are kept: rotated files |
//! | `last_lines` | where the last of them are kept: in memory, for the ending |
//! | `plain` | a line as people and JSON can take it |

mod capture;
mod explain;
mod game;
mod last_lines;
mod lock;
mod log;
mod oversee;
mod plain;

pub(crate) use self::last_lines::LAST_LINES;
pub(crate) use self::lock::{Holder, Lock};
pub use self::oversee::run;
pub(crate) use self::plain::plain;
