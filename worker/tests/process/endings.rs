//! How a process ends, and that it is known.

use std::fs;

use nix::sys::signal::Signal;
use worker::process::Attached;
use worker::run_dir::HowEnded;

use crate::support::{
    Run, eventually, exists, exited, is_running, not_running, printed, session, signal, soon,
    supervisor_of,
};

#[tokio::test]
async fn an_exit_is_known_by_its_code() {
    for code in [0, 3, 255] {
        let ending = Run::new().end(&format!("echo bye; exit {code}")).await;
        assert_eq!((ending.how, ending.last_lines), (exited(code), vec!["bye".to_owned()]));
    }
}

#[tokio::test]
async fn a_signal_is_known_by_its_number() {
    for number in [9, 11, 15] {
        let ending = Run::new().end(&format!("kill -{number} $$")).await;
        assert_eq!(ending.how, HowEnded::Signalled { signal: number });
    }
}

#[tokio::test]
async fn an_end_can_be_asked_for_again() {
    let run = Run::new();
    let mut process = run.start("exit 4").await;
    let ending = soon("the end", process.ended()).await;
    assert_eq!(soon("the same end", process.ended()).await, ending);
    match run.attach().await {
        Attached::Ended(again) => assert_eq!(again, ending),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_a_process_leaves_behind_is_killed_with_it() {
    let run = Run::new();
    let ending =
        run.end("sleep 1000 & echo $! > child; (sleep 1000 & echo $! > grandchild); exit 5").await;
    assert_eq!(ending.how, exited(5));
    not_running(run.pid_in("child").await).await;
    not_running(run.pid_in("grandchild").await).await;
}

#[tokio::test]
async fn somebody_of_another_session_who_holds_the_output_does_not_delay_the_end_for_long() {
    let run = Run::new();
    let script = "setsid sh -c 'echo $$ > escaped; exec sleep 1000' & \
                  until [ -s escaped ]; do sleep 0.01; done; echo last; exit 6";
    let ending = run.end(script).await;
    assert_eq!((ending.how, ending.last_lines), (exited(6), vec!["last".to_owned()]));
    let escaped = run.pid_in("escaped").await;
    assert!(is_running(escaped));
    signal(escaped, Signal::SIGKILL);
}

#[tokio::test]
async fn a_supervisor_stays_when_it_is_signalled_and_goes_with_its_game_server() {
    let run = Run::new();
    let mut process = run.start("read -r line; exit 7").await;
    let supervisor = supervisor_of(&process);
    assert_eq!(session(supervisor), Some(supervisor));
    assert_eq!(session(process.started().pid), Some(supervisor));
    for kind in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        signal(supervisor, kind);
    }
    process.write_line("end").await.unwrap();
    assert_eq!(soon("the end", process.ended()).await.how, exited(7));
    // Not even as a zombie.
    eventually("its burial", || (!exists(supervisor)).then_some(())).await;
}

#[tokio::test]
async fn when_a_supervisor_is_killed_so_is_its_game_server() {
    let run = Run::new();
    let mut process = run.start("sleep 1000 & echo $! > child; echo ready; wait").await;
    printed(&process, "ready").await;
    signal(supervisor_of(&process), Signal::SIGKILL);
    let ending = soon("the end", process.ended()).await;
    let HowEnded::Unknown { reason } = &ending.how else { panic!("{ending:?}") };
    assert!(reason.ends_with("what was left of the process was killed"), "{reason}");
    assert_eq!(ending.last_lines, ["ready"]);
    assert!(!is_running(process.started().pid));
    assert!(!is_running(run.pid_in("child").await));
}

#[tokio::test]
async fn an_ending_fits_whatever_was_printed() {
    // Each of these characters takes four bytes, each line 500 of them: more than the room for an ending.
    let script =
        "i=0; while [ $i -lt 100 ]; do head -c 2400 poem | tr -d '\\n'; echo; i=$((i+1)); done";
    let run = Run::new();
    fs::write(run.path("poem"), "🦀".repeat(600)).unwrap();
    let ending = run.end(script).await;
    assert_eq!(ending.how, exited(0));
    assert!((20..50).contains(&ending.last_lines.len()), "{}", ending.last_lines.len());
    assert_eq!(ending.last_lines[0], "🦀".repeat(500));
}
