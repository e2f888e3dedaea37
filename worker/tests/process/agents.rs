//! A game server outlives its agent.

use std::fs;

use nix::sys::signal::Signal;
use tokio::runtime::Runtime;
use worker::process::{Attached, Process};
use worker::run_dir::{HowEnded, Started};

use crate::support::{
    Run, eventually, exited, is_running, not_running, printed, running, signal, soon,
    still_running, supervisor, supervisor_of,
};

/// Everything a process has of a launch, its runtime included, is gone when this returns.
fn launched_by_an_agent_that_went(run: &Run, script: &str) -> Started {
    let agent = Runtime::new().unwrap();
    let spec = run.script(script);
    agent.block_on(async {
        *running(Process::launch(&supervisor(), &run.dir, &spec).await.unwrap()).started()
    })
}

#[test]
fn the_next_agent_has_its_console_its_output_and_its_end() {
    let run = Run::new();
    let script = "echo ready; while read -r line; do echo \"got $line\"; [ \"$line\" = end ] && exit 8; done; echo eof";
    let started = launched_by_an_agent_that_went(&run, script);
    Runtime::new().unwrap().block_on(async {
        let mut process = still_running(run.attach().await);
        assert_eq!(*process.started(), started);
        printed(&process, "ready").await;
        process.write_line("hello").await.unwrap();
        printed(&process, "got hello").await;
        process.write_line("end").await.unwrap();
        let ending = soon("the end", process.ended()).await;
        assert_eq!(
            (ending.how, ending.last_lines),
            (exited(8), vec!["ready".into(), "got hello".into(), "got end".into()])
        );
        assert_eq!(process.tail().lines_total, 3);
    });
}

#[test]
fn an_end_while_there_was_no_agent_is_found_with_its_code() {
    let run = Run::new();
    let started = launched_by_an_agent_that_went(&run, "echo last; exit 9");
    Runtime::new().unwrap().block_on(async {
        let is_gone = || (!is_running(started.supervisor_pid.cast_signed())).then_some(());
        eventually("the supervisor's end", is_gone).await;
        match run.attach().await {
            Attached::Ended(ending) => {
                assert_eq!((ending.how, ending.last_lines), (exited(9), vec!["last".to_owned()]));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[tokio::test]
async fn two_handles_see_the_same_end() {
    let run = Run::new();
    let mut one = run.start("read -r line; exit 2").await;
    let mut other = still_running(run.attach().await);
    one.write_line("end").await.unwrap();
    let ends = async { tokio::join!(one.ended(), other.ended()) };
    let (one, other) = soon("both ends", ends).await;
    assert_eq!((&one, &one.how), (&other, &exited(2)));
}

async fn kill_supervisor(process: &Process) {
    let supervisor = supervisor_of(process);
    signal(supervisor, Signal::SIGKILL);
    not_running(supervisor).await;
}

fn unknown(attached: Attached) -> String {
    match attached {
        Attached::Ended(ending) => match ending.how {
            HowEnded::Unknown { reason } => reason,
            how => panic!("{how:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_supervisor_that_was_killed_while_there_was_no_agent_takes_its_game_server_along() {
    let run = Run::new();
    let process = run.start("sleep 1000 & echo $! > child; exec sleep 1000").await;
    let (pid, child) = (process.started().pid, run.pid_in("child").await);
    kill_supervisor(&process).await;
    drop(process);
    let reason = unknown(run.attach().await);
    assert!(reason.contains("what was left of the process was killed"), "{reason}");
    assert!(!is_running(pid) && !is_running(child));
    // Once that is written down it stays.
    assert_eq!(unknown(run.attach().await), reason);
}

#[tokio::test]
async fn those_whose_leader_has_ended_are_found_too() {
    let run = Run::new();
    let process = run.start("sleep 1000 & echo $! > child; exec sleep 1000").await;
    let (pid, child) = (process.started().pid, run.pid_in("child").await);
    kill_supervisor(&process).await;
    signal(pid, Signal::SIGKILL);
    drop(process);
    let reason = unknown(run.attach().await);
    assert!(reason.contains("what was left of the process was killed"), "{reason}");
    assert!(!is_running(child));
}

#[tokio::test]
async fn a_game_server_that_was_not_yet_written_down_does_not_run_on() {
    let run = Run::new();
    let process = run.start("exec sleep 1000").await;
    let pid = process.started().pid;
    // As if its supervisor had been killed between starting it and writing that down.
    fs::remove_file(run.dir.file("started.json")).unwrap();
    kill_supervisor(&process).await;
    drop(process);
    unknown(run.attach().await);
    assert!(!is_running(pid));
}

#[tokio::test]
async fn another_process_that_only_has_the_same_number_is_left_alone() {
    let run = Run::new();
    let process = run.start("exec sleep 1000").await;
    let started = *process.started();
    kill_supervisor(&process).await;
    drop(process);
    // What runs under this number is not what was started under it.
    let file = run.dir.file("started.json");
    let older = Started { start_time: started.start_time.map(|time| time - 1), ..started };
    fs::write(&file, serde_json::to_vec(&older).unwrap()).unwrap();
    let reason = unknown(run.attach().await);
    assert!(reason.ends_with("nothing was left of the process"), "{reason}");
    assert!(is_running(started.pid));
    signal(started.pid, Signal::SIGKILL);
}

#[tokio::test]
async fn what_ran_when_the_host_went_down_is_not_looked_for() {
    let run = Run::new();
    let process = run.start("exec sleep 1000").await;
    let pid = process.started().pid;
    kill_supervisor(&process).await;
    drop(process);
    let lock = fs::read_to_string(run.dir.file("lock")).unwrap();
    let (before, _) = lock.split_once("\"boot_id\":").unwrap();
    let of_another_boot = "\"boot_id\":\"019abcde-0000-7000-8000-000000000000\"}";
    fs::write(run.dir.file("lock"), format!("{before}{of_another_boot}")).unwrap();
    assert_eq!(unknown(run.attach().await), "the host went down while it ran");
    assert!(is_running(pid), "it only has the same number");
    signal(pid, Signal::SIGKILL);
}

#[tokio::test]
async fn files_that_the_host_did_not_save_when_it_went_down_are_an_unknown_end() {
    let run = Run::new();
    run.end("exit 3").await;
    fs::write(run.dir.file("ending.json"), "").unwrap();
    fs::write(run.dir.file("started.json"), "").unwrap();
    let reason = unknown(run.attach().await);
    assert!(reason.contains("its exit status is lost"), "{reason}");
}
