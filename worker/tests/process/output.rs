//! What a process prints.

use std::fs;
use std::os::unix::fs::symlink;

use worker::process::{Launched, Process, Supervisor};
use worker::run_dir::{LaunchSpec, OutputLimits};

use crate::support::{Run, SUPERVISE, eventually, exited, printed, running, soon, supervisor_of};

#[tokio::test]
async fn both_streams_are_kept_without_tearing_lines_apart() {
    let run = Run::new();
    let stream = |name: &str| {
        format!(
            "i=0; while [ $i -lt 500 ]; do printf '{name} '; printf \"$i\"; printf ' end\\n'; i=$((i+1)); done"
        )
    };
    let script = format!("({}) & ({}) >&2; wait", stream("out"), stream("err"));
    assert_eq!(run.end(&script).await.how, exited(0));
    let log = run.log();
    for name in ["out", "err"] {
        let of_stream = log.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
        let expected = (0..500).map(|number| format!("{name} {number} end")).collect::<Vec<_>>();
        assert_eq!(of_stream, expected);
    }
    assert_eq!(log.lines().count(), 1_000);
}

#[tokio::test]
async fn a_tail_is_readable_and_what_is_kept_is_as_it_was_printed() {
    let run = Run::new();
    let script =
        r"printf '\033[1;32mgreen\033[0m\n'; printf 'nul \000 and \377\n'; printf 'unfinished'";
    let ending = run.end(script).await;
    assert_eq!(ending.last_lines, ["green", "nul  and \u{fffd}", "unfinished"]);
    let log = fs::read(run.dir.file("output.log")).unwrap();
    assert_eq!(log, b"\x1b[1;32mgreen\x1b[0m\nnul \0 and \xff\nunfinished\n");
}

#[tokio::test]
async fn a_very_long_line_is_cut_into_pieces() {
    let run = Run::new();
    let ending = run.end("head -c 65536 /dev/zero | tr '\\0' x; echo; echo after").await;
    let log = run.log();
    assert_eq!(log.lines().map(str::len).collect::<Vec<_>>(), [vec![8_192; 8], vec![5]].concat());
    assert_eq!(ending.last_lines.last().unwrap(), "after");
    assert_eq!(ending.last_lines[0], "x".repeat(500));
}

#[tokio::test]
async fn a_flood_fills_neither_the_disk_nor_the_memory_and_its_last_line_is_there() {
    let run = Run::new();
    let output = OutputLimits { file_bytes: 100_000, rotated_files: 3 };
    let script = "seq 1 400000; read -r line; echo last; exit 3";
    let mut process = running(run.launch(&LaunchSpec { output, ..run.script(script) }).await);
    printed(&process, "400000").await;
    assert_eq!(process.tail().lines_total, 400_000);
    let status = fs::read_to_string(format!("/proc/{}/status", supervisor_of(&process))).unwrap();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes: u32 = anonymous.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(kilobytes < 8_000, "{kilobytes} kB");
    process.write_line("end").await.unwrap();
    let ending = soon("the end", process.ended()).await;
    assert_eq!(ending.how, exited(3));
    assert_eq!((ending.last_lines.len(), ending.last_lines[49].as_str()), (50, "last"));
    assert_eq!(
        ending.last_lines[..49],
        (399_952..=400_000).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert_eq!((process.tail().lines_total, process.tail().lines), (400_001, ending.last_lines));
    for name in ["output.log", "output.log.1", "output.log.2", "output.log.3"] {
        let length = fs::metadata(run.dir.file(name)).unwrap().len();
        assert!(length < 150_000, "{name}: {length}");
    }
    assert!(!run.dir.file("output.log.4").exists());
}

#[tokio::test]
async fn the_number_of_lines_never_decreases() {
    let run = Run::new();
    let output = OutputLimits { file_bytes: 500, rotated_files: 1 };
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done";
    let mut process = running(run.launch(&LaunchSpec { output, ..run.script(script) }).await);
    let mut before = 0;
    eventually("all lines", || {
        let now = process.tail().lines_total;
        assert!(now >= before, "{now} after {before}");
        before = now;
        (now == 2_000).then_some(())
    })
    .await;
    soon("the end", process.ended()).await;
    assert_eq!(process.tail().lines.last().unwrap(), "line 1999");
}

#[tokio::test]
async fn on_a_full_disk_it_goes_on_and_says_later_how_much_was_lost() {
    let run = Run::new();
    fs::create_dir(run.dir.path()).unwrap();
    symlink("/dev/full", run.dir.file("output.log")).unwrap();
    let mut process = run.start("while read -r line; do echo \"$line\"; done").await;
    for line in ["one", "two", "three"] {
        process.write_line(line).await.unwrap();
    }
    // They count even though they are lost.
    eventually("three lines", || (process.tail().lines_total == 3).then_some(())).await;
    fs::remove_file(run.dir.file("output.log")).unwrap();
    let mut number = 3;
    while run.log().is_empty() {
        number += 1;
        process.write_line(&format!("line {number}")).await.unwrap();
        eventually("the line", || (process.tail().lines_total == number).then_some(())).await;
    }
    assert_eq!(run.log(), format!("… lost {} lines\nline {number}\n", number - 1));
    let stop = worker::process::Stop { line: None, grace: std::time::Duration::from_secs(10) };
    let ending = soon("the end", process.stop(&stop)).await;
    assert_eq!(ending.last_lines.last().unwrap(), &format!("line {number}"));
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_costs_lines_but_not_the_end() {
    let run = Run::new();
    // Between 100 and 200 kilobytes, depending on the shell: enough for the ending, too little for the output.
    let limited = format!("ulimit -f 200; exec {SUPERVISE} \"$0\"");
    let limited = Supervisor { command: vec!["/bin/sh".into(), "-c".into(), limited.into()] };
    let spec = run.script("seq 1 100000; exit 3");
    let launched = soon("the launch", Process::launch(&limited, &run.dir, &spec)).await.unwrap();
    let ending = match launched {
        Launched::Running(mut process) => soon("the end", process.ended()).await,
        Launched::Ended(ending) => ending,
    };
    assert_eq!(ending.how, exited(3));
    assert_eq!(ending.last_lines.last().unwrap(), "100000");
    assert!(run.log().lines().count() < 100_000);
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_is_no_hindrance() {
    let run = Run::new();
    fs::create_dir_all(run.dir.file("output.log")).unwrap();
    let ending = run.end("echo one; exit 3").await;
    assert_eq!((ending.how, ending.last_lines), (exited(3), vec!["one".to_owned()]));
}
