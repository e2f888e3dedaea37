//! What a launch comes to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use worker::process::{Attached, LaunchError, Launched, Process, Supervisor};
use worker::run_dir::{HowEnded, LaunchSpec, RunDir};

use crate::support::{
    Run, SUPERVISE, eventually, exited, printed, running, soon, still_running, supervisor,
};

async fn not_started(run: &Run, spec: &LaunchSpec) -> String {
    match run.launch(spec).await {
        Launched::Ended(ending) => match ending.how {
            HowEnded::NotStarted { reason } => reason,
            how => panic!("{how:?}"),
        },
        Launched::Running(process) => panic!("it runs: {process:?}"),
    }
}

fn executable(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn why_an_executable_cannot_be_started_is_said_for_people() {
    let elf_of_another_machine =
        [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[2, 0, 0x99, 0x99], &[0; 100]].concat();
    type File<'a> = Option<(&'a [u8], u32)>;
    let cases: [(&str, File<'_>, &str); 5] = [
        ("missing", None, "does not exist"),
        ("plain", Some((b"#!/bin/sh\n", 0o644)), "is not executable (its mode is 0644)"),
        (
            "foreign",
            Some((&elf_of_another_machine, 0o755)),
            "exec format error: it is not a program for this machine",
        ),
        (
            "script",
            Some((b"#!/no/such/shell -x\n", 0o755)),
            "is a script for \"/no/such/shell\", which does not exist",
        ),
        ("nameless", Some((b"echo hello\n", 0o755)), "a script without \"#!\" in its first line"),
    ];
    for (name, file, expected) in cases {
        let run = Run::new();
        if let Some((content, mode)) = file {
            executable(&run.path(name), content, mode);
        }
        let spec = LaunchSpec { executable: run.path(name), ..run.script("") };
        let reason = not_started(&run, &spec).await;
        assert!(reason.starts_with(run.path(name).to_str().unwrap()), "{name}: {reason}");
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    let run = Run::new();
    let spec = LaunchSpec { executable: "/".into(), ..run.script("") };
    assert_eq!(not_started(&run, &spec).await, "/ is not a file");
}

#[tokio::test]
async fn a_missing_working_directory_is_named() {
    let run = Run::new();
    let gone = run.path("gone");
    let spec = LaunchSpec { directory: gone.clone(), ..run.script("") };
    let expected = format!("its working directory {} does not exist", gone.display());
    assert_eq!(not_started(&run, &spec).await, expected);
}

#[tokio::test]
async fn a_nul_in_an_argument_starts_nothing() {
    let run = Run::new();
    let spec = LaunchSpec { args: vec!["a\0b".to_owned()], ..run.script("") };
    assert!(not_started(&run, &spec).await.contains("nul byte"));
}

#[tokio::test]
async fn arguments_environment_and_directory_are_as_asked() {
    let run = Run::new();
    let spec = LaunchSpec {
        args: ["-c", "echo \"$0|$1\"; echo $A$B; pwd", "a  b", "$HOME*"].map(str::to_owned).into(),
        env: [("A", "one"), ("B", "old"), ("B", " = two")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..run.script("")
    };
    let directory = fs::canonicalize(run.path(".")).unwrap();
    let lines = run.end_of(&spec).await.last_lines;
    assert_eq!(lines, ["a  b|$HOME*", "one = two", directory.to_str().unwrap()]);
}

#[tokio::test]
async fn the_process_that_is_told_of_is_the_game_server() {
    let run = Run::new();
    let process = run.start("echo $$ > pid; read -r line").await;
    assert_eq!(run.pid_in("pid").await, process.started().pid);
    assert!(process.started().start_time.is_some());
}

#[tokio::test]
async fn a_run_directory_may_have_a_long_path() {
    let mut run = Run::new();
    // Longer than the address of a socket can be.
    run.dir = RunDir::at(run.path(&["long-name-of-a-directory"; 12].join("/")));
    let mut process = run.start("read -r line; exit 3").await;
    process.write_line("end").await.unwrap();
    assert_eq!(soon("the end", process.ended()).await.how, exited(3));
}

#[tokio::test]
async fn a_run_is_launched_once() {
    let run = Run::new();
    let spec = run.script("echo $$ >> pids; read -r line");
    let (supervisor, dir) = (supervisor(), &run.dir);
    let (one, other) = tokio::join!(
        Process::launch(&supervisor, dir, &spec),
        Process::launch(&supervisor, dir, &spec),
    );
    let mut process = match (one, other) {
        (Ok(launched), Err(LaunchError::AlreadyLaunched))
        | (Err(LaunchError::AlreadyLaunched), Ok(launched)) => running(launched),
        both => panic!("{both:?}"),
    };
    process.write_line("end").await.unwrap();
    soon("the end", process.ended()).await;
    let again = Process::launch(&supervisor, dir, &spec).await;
    assert!(matches!(again, Err(LaunchError::AlreadyLaunched)), "{again:?}");
    assert_eq!(fs::read_to_string(run.path("pids")).unwrap().lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_game_servers_are_launched_side_by_side() {
    let launches = (0..40).map(|_| async {
        let run = Run::new();
        let mut process = run.start("read -r line; exit 3").await;
        process.write_line("end").await.unwrap();
        soon("the end", process.ended()).await.how
    });
    let mut launches = launches.map(tokio::spawn).collect::<Vec<_>>();
    for launch in &mut launches {
        assert_eq!(launch.await.unwrap(), exited(3));
    }
}

#[tokio::test]
async fn of_many_supervisors_for_a_run_one_starts_a_game_server() {
    let run = Run::new();
    let many = format!("for n in 1 2 3 4 5; do {SUPERVISE} \"$0\" & done; wait");
    let many = Supervisor { command: vec!["/bin/sh".into(), "-c".into(), many.into()] };
    let spec = run.script("echo $$ >> pids; echo ready; read -r line");
    let launched = soon("the launch", Process::launch(&many, &run.dir, &spec)).await;
    let mut process = running(launched.unwrap());
    printed(&process, "ready").await;
    // One more, by hand.
    assert!(Command::new(SUPERVISE).arg(run.dir.path()).status().unwrap().success());
    process.write_line("end").await.unwrap();
    soon("the end", process.ended()).await;
    let pid = process.started().pid.to_string();
    assert_eq!(fs::read_to_string(run.path("pids")).unwrap().lines().collect::<Vec<_>>(), [pid]);
}

#[tokio::test]
async fn a_supervisor_that_cannot_be_started_leaves_a_run_that_can_be_launched_again() {
    let run = Run::new();
    let spec = run.script("exit 3");
    let missing = Supervisor { command: vec!["/no/such/manman".into()] };
    let failed = Process::launch(&missing, &run.dir, &spec).await;
    assert!(matches!(failed, Err(LaunchError::Spawn { .. })), "{failed:?}");
    let useless = Supervisor { command: vec!["/bin/false".into()] };
    let failed = Process::launch(&useless, &run.dir, &spec).await;
    assert!(matches!(failed, Err(LaunchError::Supervisor { .. })), "{failed:?}");
    assert!(matches!(run.attach().await, Attached::NeverStarted));
    assert_eq!(run.end_of(&spec).await.how, exited(3));
}

#[tokio::test]
async fn a_supervisor_that_comes_late_starts_nothing() {
    let run = Run::new();
    let spec = run.script("echo $$ >> pids; read -r line");
    // The launch of an agent that was killed: its supervisor has not run yet.
    let useless = Supervisor { command: vec!["/bin/true".into()] };
    let failed = Process::launch(&useless, &run.dir, &spec).await;
    assert!(matches!(failed, Err(LaunchError::Supervisor { .. })), "{failed:?}");
    let late = || Command::new(SUPERVISE).arg(run.dir.path()).status();
    assert!(late().unwrap().success());
    assert!(!run.path("pids").exists());
    assert!(matches!(run.attach().await, Attached::NeverStarted));
    // Another launch of the same run: now it is too late in another way.
    let mut process = running(run.launch(&spec).await);
    assert!(late().unwrap().success());
    process.write_line("end").await.unwrap();
    soon("the end", process.ended()).await;
    assert!(late().unwrap().success());
    assert_eq!(fs::read_to_string(run.path("pids")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error() {
    let run = Run::new();
    fs::write(run.path("file"), "").unwrap();
    let dir = RunDir::at(run.path("file/run"));
    let failed = Process::launch(&supervisor(), &dir, &run.script("")).await;
    assert!(matches!(failed, Err(LaunchError::Directory(_))), "{failed:?}");
    assert!(matches!(run.attach().await, Attached::NeverStarted), "no directory at all");
}

#[tokio::test]
async fn attaching_waits_for_a_supervisor_that_is_starting() {
    let run = Run::new();
    let spec = run.script("read -r line");
    let supervisor = supervisor();
    let (attached, launched) = tokio::join!(
        async {
            let is_prepared = || run.dir.file("spec.json").exists().then_some(());
            eventually("the preparation", is_prepared).await;
            run.attach().await
        },
        Process::launch(&supervisor, &run.dir, &spec),
    );
    // Either it was there in time, or too early and there is nothing; never both.
    match attached {
        Attached::Running(process) => {
            assert_eq!(process.started(), running(launched.unwrap()).started());
        }
        Attached::NeverStarted => match launched {
            Ok(launched) => panic!("{launched:?}"),
            Err(LaunchError::Supervisor { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        Attached::Ended(ending) => panic!("{ending:?}"),
    }
}

#[tokio::test]
async fn an_agent_that_went_while_it_launched_is_followed_by_one_that_attaches() {
    let run = Run::new();
    let spec = run.script("echo ready; read -r line; exit 3");
    {
        let supervisor = supervisor();
        let mut launch = Box::pin(Process::launch(&supervisor, &run.dir, &spec));
        let is_started =
            || run.dir.file("lock").metadata().is_ok_and(|lock| lock.len() > 0).then_some(());
        tokio::select! {
            biased;
            () = eventually("the supervisor", is_started) => {}
            _ = &mut launch => {}
        }
    }
    let mut process = still_running(run.attach().await);
    printed(&process, "ready").await;
    process.write_line("end").await.unwrap();
    assert_eq!(soon("the end", process.ended()).await.how, exited(3));
}
