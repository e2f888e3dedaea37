//! Installing a game server: where it goes, SteamCMD and what it says, commands after it, and what is
//! then started.
//!
//! | module | what it has |
//! |---|---|
//! | `steamcmd` | running SteamCMD until an app is installed |
//! | `output` | what its output means: progress, success, what went wrong |
//! | `progress` | how far an install is |
//! | `commands` | the commands after an install |
//! | `paths` | directories and executables, and that they stay where they belong |
//! | `environment` | a config's environment variables |
//! | `lock` | one SteamCMD per directory |
//! | `child` | a command in a process group of its own, bounded in time |
//! | `error` | what can go wrong, and what to do about it |

mod child;
mod commands;
mod environment;
mod error;
mod lock;
mod output;
mod paths;
mod progress;
mod steamcmd;

pub use self::commands::run_commands;
pub use self::environment::environment;
pub use self::error::InstallError;
pub use self::paths::{create_directory, directory, executable};
pub use self::progress::{Phase, Progress};
pub use self::steamcmd::Steamcmd;
