//! The commands after an install.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::child::{self, LastLines, Ran};
use super::error::InstallError;

/// Runs commands in their order, each through `/bin/sh -c` in the directory, with the agent's own
/// environment; `timeout` is for each. The first that fails is the last.
///
/// # Errors
/// Which command failed, was not done in time, or was cancelled.
pub async fn run_commands(
    commands: &[String],
    directory: &Path,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<(), InstallError> {
    for text in commands {
        let mut last_lines = LastLines::default();
        let mut on_line = |line: &str| {
            tracing::info!(command = text, line, "post-install");
            last_lines.push(line);
        };
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(text).current_dir(directory);
        let ran = child::run(command, Stdio::null(), timeout, cancel, &mut on_line).await;
        let command = text.clone();
        return Err(match ran {
            Ok(Ran::Exited(status)) if status.success() => continue,
            Ok(Ran::Exited(status)) => {
                InstallError::CommandFailed { command, status, last_lines: last_lines.into() }
            }
            Ok(Ran::Cancelled) => InstallError::Cancelled,
            Ok(Ran::TimedOut) => {
                InstallError::TimedOut { what: format!("{command:?}"), after: timeout }
            }
            Err(reason) => InstallError::CommandNotStarted { command, reason },
        });
    }
    Ok(())
}
