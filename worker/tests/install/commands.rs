//! Commands after an install.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use worker::install::{InstallError, run_commands};

use crate::support::{soon, until_closed};

const MINUTE: Duration = Duration::from_secs(60);

async fn run(commands: &[&str], directory: &Path, timeout: Duration) -> Result<(), InstallError> {
    let commands: Vec<_> = commands.iter().map(|&command| command.to_owned()).collect();
    let cancel = CancellationToken::new();
    soon("commands", run_commands(&commands, directory, timeout, &cancel)).await
}

#[tokio::test]
async fn they_run_in_the_directory_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let commands = ["echo one > out", "echo \"two $HOME\" >> out && cat out", "cat > read"];
    run(&commands, directory.path(), MINUTE).await.unwrap();
    let out = fs::read_to_string(directory.path().join("out")).unwrap();
    let home = std::env::var("HOME").unwrap_or_default();
    assert_eq!(out, format!("one\ntwo {home}\n"));
    assert_eq!(fs::read_to_string(directory.path().join("read")).unwrap(), "", "no stdin");
}

#[tokio::test]
async fn the_first_that_fails_is_the_last_and_is_told_with_what_it_said() {
    let directory = tempfile::tempdir().unwrap();
    let commands = ["true", "echo out; echo err >&2; exit 4", "touch reached"];
    let error = run(&commands, directory.path(), MINUTE).await.unwrap_err();
    assert_eq!(error.to_string(), r#""echo out; echo err >&2; exit 4" failed: exit status: 4"#);
    assert_eq!(error.last_lines(), ["out", "err"]);
    assert!(!directory.path().join("reached").exists());
}

#[tokio::test]
async fn of_a_long_output_the_last_lines_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let error = run(&["seq 100000; false"], directory.path(), MINUTE).await.unwrap_err();
    let expected: Vec<_> = (99_981..=100_000).map(|line| line.to_string()).collect();
    assert_eq!(error.last_lines(), expected);
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended_with_all_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let gone = until_closed(&directory.path().join("alive"));
    let commands = ["exec 3> alive; sleep 600 & echo up >&3; wait"];
    let error = run(&commands, directory.path(), Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(error, InstallError::TimedOut { .. }), "{error:?}");
    assert_eq!(gone.await, "up\n");
}

#[tokio::test]
async fn none_is_started_after_a_cancel_or_without_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let commands = ["touch reached".to_owned()];
    let result = run_commands(&commands, directory.path(), MINUTE, &cancel).await;
    assert!(matches!(result, Err(InstallError::Cancelled)), "{result:?}");
    assert!(!directory.path().join("reached").exists());

    let error = run(&["true"], Path::new("/nowhere"), MINUTE).await.unwrap_err();
    assert!(matches!(error, InstallError::CommandNotStarted { .. }), "{error:?}");
}
