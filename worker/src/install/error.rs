//! What can go wrong with an install, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a game server could not be installed. Messages are shown to whoever asked for the start, so
/// they have the system's reason in them and say what to do.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no SteamCMD where it was expected.
    #[error("there is no steamcmd at {}: install it, or set STEAMCMD_EXECUTABLE", .path.display())]
    SteamcmdMissing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A file that is to be executed may not be: SteamCMD itself, or the game server.
    #[error("{} is not executable for this user", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The system would not start SteamCMD.
    #[error("{} could not be started: {reason}", .path.display())]
    SteamcmdNotStarted {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// The app needs an account that owns it.
    #[error(
        "app {app_id} cannot be downloaded without an account: use the id of its dedicated server"
    )]
    NoSubscription {
        /// The app.
        app_id: i32,
    },
    /// Steam did not let the anonymous user in. Its commonest reason is that too many asked from this
    /// address, and asking again prolongs that.
    #[error("steam refused the anonymous login ({reason}): try again in half an hour")]
    LoginRefused {
        /// Steam's reason.
        reason: String,
    },
    /// The app does not exist for this platform.
    #[error("app {app_id} has no files for this platform: use the id of its linux server")]
    InvalidPlatform {
        /// The app.
        app_id: i32,
    },
    /// Steam has no configuration for the app. A SteamCMD that has just updated itself says so of
    /// every app, once.
    #[error("steam does not know app {app_id}: check the id")]
    UnknownApp {
        /// The app.
        app_id: i32,
    },
    /// The disk, or the quota on it, is used up.
    #[error("the disk is full: free some space for {}", .directory.display())]
    DiskFull {
        /// Where it was written to.
        directory: PathBuf,
    },
    /// SteamCMD could not write.
    #[error("steamcmd cannot write to {}: check its owner, its permissions and the disk", .directory.display())]
    DiskWrite {
        /// Where it was to write to.
        directory: PathBuf,
    },
    /// Steam could not be reached.
    #[error("steam could not be reached ({reason}): check this host's connection")]
    NoConnection {
        /// What SteamCMD said.
        reason: String,
    },
    /// SteamCMD gave up an update midway, as it does now and then.
    #[error("steamcmd left app {app_id} in state {state:#x}: try again, it goes on where it was")]
    TransientContent {
        /// The app.
        app_id: i32,
        /// Its state, as SteamCMD has it: a set of bits.
        state: u32,
    },
    /// SteamCMD updated itself and did nothing else.
    #[error("steamcmd only updated itself: try again")]
    OnlyUpdatedItself,
    /// It said something nobody has met yet.
    #[error("steamcmd said: {line}")]
    Unrecognised {
        /// What it said.
        line: String,
    },
    /// SteamCMD ended without saying why.
    #[error("steamcmd exited with code {code}{}", hint(*.code))]
    ExitCode {
        /// Its exit code.
        code: i32,
        /// The last lines it printed.
        last_lines: Vec<String>,
    },
    /// SteamCMD was killed, or crashed.
    #[error("steamcmd was ended by signal {signal}")]
    Signalled {
        /// The signal.
        signal: i32,
        /// The last lines it printed.
        last_lines: Vec<String>,
    },
    /// It took too long, and was ended.
    #[error("{what} was not done after {} s", .after.as_secs())]
    TimedOut {
        /// SteamCMD, or a command.
        what: String,
        /// How long it was given.
        after: Duration,
    },
    /// It was no longer wanted.
    #[error("the install was cancelled")]
    Cancelled,
    /// A command after the install could not be started.
    #[error("{command:?} could not be started: {reason}")]
    CommandNotStarted {
        /// The command.
        command: String,
        /// The system's reason.
        reason: io::Error,
    },
    /// A command after the install failed.
    #[error("{command:?} failed: {status}")]
    CommandFailed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it printed.
        last_lines: Vec<String>,
    },
    /// A directory cannot be created, or not be written to.
    #[error("cannot write to the directory {}: {reason}", .path.display())]
    DirectoryUnwritable {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// The executable is to be found outside the install directory.
    #[error("the executable {executable:?} leads out of the install directory")]
    OutsideInstallDirectory {
        /// What the config says.
        executable: String,
    },
    /// The executable is not there.
    #[error("there is no {}: check the config's executable", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The executable is something else, a directory for example.
    #[error("{} is not a file: check the config's executable", .path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// The executable cannot be looked at.
    #[error("cannot look at {}: {reason}", .path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// An environment variable that is none.
    #[error("an environment variable must read KEY=VALUE, but {entry:?} does not")]
    NotKeyValue {
        /// What the config says.
        entry: String,
    },
}

impl InstallError {
    /// Whether the same thing tried again may succeed without anybody doing anything.
    #[must_use]
    pub const fn is_worth_retrying(&self) -> bool {
        match self {
            Self::SteamcmdNotStarted { .. }
            | Self::UnknownApp { .. }
            | Self::NoConnection { .. }
            | Self::TransientContent { .. }
            | Self::OnlyUpdatedItself
            | Self::Unrecognised { .. }
            | Self::Signalled { .. }
            | Self::TimedOut { .. } => true,
            Self::ExitCode { code, .. } => !matches!(*code, NOT_EXECUTABLE | NOT_FOUND),
            Self::SteamcmdMissing { .. }
            | Self::NotExecutable { .. }
            | Self::NoSubscription { .. }
            | Self::LoginRefused { .. }
            | Self::InvalidPlatform { .. }
            | Self::DiskFull { .. }
            | Self::DiskWrite { .. }
            | Self::Cancelled
            | Self::CommandNotStarted { .. }
            | Self::CommandFailed { .. }
            | Self::DirectoryUnwritable { .. }
            | Self::OutsideInstallDirectory { .. }
            | Self::NotFound { .. }
            | Self::NotAFile { .. }
            | Self::Unreadable { .. }
            | Self::NotKeyValue { .. } => false,
        }
    }

    /// The last lines printed by what failed, oldest first; empty where they say no more than the error.
    #[must_use]
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::ExitCode { last_lines, .. }
            | Self::Signalled { last_lines, .. }
            | Self::CommandFailed { last_lines, .. } => last_lines,
            _ => &[],
        }
    }

    /// What is wrong with a directory that cannot be created or written to.
    pub(super) fn unwritable(path: PathBuf, reason: io::Error) -> Self {
        match reason.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { directory: path }
            }
            _ => Self::DirectoryUnwritable { path, reason },
        }
    }
}

/// A shell's exit codes for what it could not execute and could not find.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// On a 64-bit system without 32-bit libraries the shell "does not find" SteamCMD, which is there.
const fn hint(code: i32) -> &'static str {
    match code {
        NOT_FOUND => ": it is incomplete, or the system lacks its 32-bit libraries (lib32gcc-s1)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_directory_that_cannot_be_written() {
        let full = io::Error::from_raw_os_error(nix::libc::ENOSPC);
        let error = InstallError::unwritable("/srv".into(), full);
        assert_eq!(error.to_string(), "the disk is full: free some space for /srv");

        let forbidden = io::Error::from_raw_os_error(nix::libc::EACCES);
        let error = InstallError::unwritable("/srv".into(), forbidden);
        assert_eq!(
            error.to_string(),
            "cannot write to the directory /srv: Permission denied (os error 13)"
        );
    }
}
