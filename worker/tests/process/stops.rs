//! The stop line, SIGTERM, SIGKILL.

use std::time::Duration;

use worker::process::{Process, Stop};
use worker::run_dir::HowEnded;

use crate::support::{Run, exited, not_running, printed, soon, still_running};

const LONG: Duration = Duration::from_secs(3_600);
/// Long enough for a busy machine to carry out a trap, short enough to wait for.
const SHORT: Duration = Duration::from_secs(1);

fn by_line(grace: Duration) -> Stop {
    Stop { line: Some("quit".to_owned()), grace }
}

fn by_signal(grace: Duration) -> Stop {
    Stop { line: None, grace }
}

async fn ready(run: &Run, script: &str) -> Process {
    let process = run.start(script).await;
    printed(&process, "ready").await;
    process
}

async fn stopped(process: &mut Process, stop: &Stop) -> HowEnded {
    soon("the stop", process.stop(stop)).await.how
}

#[tokio::test]
async fn the_stop_line_is_tried_first() {
    let run = Run::new();
    let mut process = ready(
        &run,
        "trap '' TERM; echo ready; read -r line; [ \"$line\" = quit ] && exit 0; exit 1",
    )
    .await;
    assert_eq!(stopped(&mut process, &by_line(LONG)).await, exited(0));
}

#[tokio::test]
async fn without_a_stop_line_the_whole_group_is_terminated() {
    let run = Run::new();
    let child = "trap 'echo told > child; exit' TERM; echo ready; while :; do sleep 0.02; done";
    let script =
        format!("trap : TERM; sh -c \"{child}\" & until [ -s child ]; do sleep 0.02; done; exit 4");
    let mut process = ready(&run, &script).await;
    assert_eq!(stopped(&mut process, &by_signal(LONG)).await, exited(4));
}

#[tokio::test]
async fn a_line_that_does_not_help_is_followed_by_sigterm() {
    let run = Run::new();
    let mut process =
        ready(&run, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done").await;
    assert_eq!(stopped(&mut process, &by_line(SHORT)).await, exited(7));
}

#[tokio::test]
async fn a_line_that_cannot_be_written_is_followed_by_sigterm_at_once() {
    let run = Run::new();
    let mut process =
        ready(&run, "exec 0<&-; trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done")
            .await;
    assert_eq!(stopped(&mut process, &by_line(LONG)).await, exited(7));
}

#[tokio::test]
async fn whoever_ignores_everything_is_killed_with_all_of_the_group() {
    let run = Run::new();
    let mut process = ready(
        &run,
        "trap '' TERM; sleep 1000 & echo $! > child; echo ready; while :; do sleep 1000; done",
    )
    .await;
    assert_eq!(stopped(&mut process, &by_line(SHORT)).await, HowEnded::Signalled { signal: 9 });
    not_running(run.pid_in("child").await).await;
}

#[tokio::test]
async fn a_stop_that_was_broken_off_is_gone_on_with() {
    let run = Run::new();
    let script = "trap 'exit 7' TERM; echo ready; read -r line; echo \"$line\"; while :; do read -r line && echo \"again $line\"; done";
    let mut process = ready(&run, script).await;
    let watching = still_running(run.attach().await);
    let first = by_line(LONG);
    tokio::select! {
        ending = process.stop(&first) => panic!("{ending:?}"),
        () = printed(&watching, "quit") => {}
    }
    let ending = soon("the stop", process.stop(&by_line(SHORT))).await;
    assert_eq!((ending.how, ending.last_lines), (exited(7), vec!["ready".into(), "quit".into()]));
}

#[tokio::test]
async fn stopping_what_has_ended_says_how_it_ended() {
    let run = Run::new();
    let mut process = run.start("exit 5").await;
    soon("the end", process.ended()).await;
    assert_eq!(stopped(&mut process, &by_line(LONG)).await, exited(5));
}
