//! Supervisors that hang at their start.
//!
//! Time stands still while nobody has anything to do, and then goes on at once to what is waited for.

use std::fs;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::time;
use worker::process::{Attached, LaunchError, Launched, Process, Supervisor};
use worker::run_dir::{Ending, HowEnded};

use crate::support::{Run, exited, not_running, supervisor};

const GAME: &str = "echo $$ > unfinished; mv unfinished pid; exec sleep 1000";

/// A run whose supervisor starts the game server and then waits for ever to write that down.
fn run_that_hangs() -> Run {
    let run = Run::new();
    fs::create_dir(run.dir.path()).unwrap();
    // In the way of `started.json`: nobody ever reads it.
    mkfifo(&run.dir.file("started.new"), Mode::S_IRWXU).unwrap();
    run
}

fn killed(ending: Ending) {
    match ending.how {
        HowEnded::Unknown { reason } => {
            assert!(reason.contains("what was left of the process was killed"), "{reason}");
        }
        how => panic!("{how:?}"),
    }
}

#[tokio::test]
async fn one_that_never_begins_is_ended_and_the_run_can_be_launched_again() {
    let run = Run::new();
    let idle = format!("echo $$ > {}; exec sleep 1000", run.path("supervisor").display());
    let idle = Supervisor { command: vec!["/bin/sh".into(), "-c".into(), idle.into()] };
    let spec = run.script("exit 3");
    let (hung, pid) = tokio::join!(Process::launch(&idle, &run.dir, &spec), async {
        let pid = run.pid_in("supervisor").await;
        time::pause();
        pid
    });
    time::resume();
    assert!(matches!(hung, Err(LaunchError::Hung { .. })), "{hung:?}");
    not_running(pid).await;
    assert_eq!(run.end_of(&spec).await.how, exited(3));
}

#[tokio::test]
async fn one_that_started_something_is_ended_together_with_it() {
    let run = run_that_hangs();
    let (supervisor, spec) = (supervisor(), run.script(GAME));
    let (launched, pid) = tokio::join!(Process::launch(&supervisor, &run.dir, &spec), async {
        let pid = run.pid_in("pid").await;
        time::pause();
        pid
    });
    time::resume();
    match launched.unwrap() {
        Launched::Ended(ending) => killed(ending),
        Launched::Running(process) => panic!("{process:?}"),
    }
    not_running(pid).await;
}

#[tokio::test]
async fn the_next_agent_ends_one_that_hangs_together_with_what_it_started() {
    let run = run_that_hangs();
    let (supervisor, spec) = (supervisor(), run.script(GAME));
    let pid = tokio::select! {
        launched = Process::launch(&supervisor, &run.dir, &spec) => panic!("{launched:?}"),
        pid = run.pid_in("pid") => pid,
    };
    time::pause();
    let attached = Process::attach(&run.dir).await;
    time::resume();
    match attached.unwrap() {
        Attached::Ended(ending) => killed(ending),
        other => panic!("{other:?}"),
    }
    not_running(pid).await;
}
