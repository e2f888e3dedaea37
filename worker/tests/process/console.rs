//! Lines for a process's standard input.

use nix::sys::signal::Signal;
use worker::process::ConsoleError;

use crate::support::{Run, printed, signal, soon};

#[tokio::test]
async fn lines_arrive_whole_and_in_order() {
    let run = Run::new();
    let process = run.start("while read -r line; do echo \"[$line]\"; done").await;
    for line in ["say  hello", "", "\ttab", "é ✓ 🦀"] {
        process.write_line(line).await.unwrap();
    }
    printed(&process, "[é ✓ 🦀]").await;
    assert_eq!(process.tail().lines, ["[say  hello]", "[]", "[tab]", "[é ✓ 🦀]"]);
}

#[tokio::test]
async fn a_line_of_many_bytes_arrives_whole() {
    let run = Run::new();
    let process = run.start("while read -r line; do echo ${#line}; done").await;
    process.write_line(&"x".repeat(4_000)).await.unwrap();
    printed(&process, "4000").await;
    let refused = process.write_line(&"x".repeat(4_001)).await;
    assert!(matches!(refused, Err(ConsoleError::TooLong { bytes: 4_001 })), "{refused:?}");
}

#[tokio::test]
async fn what_is_not_one_line_of_text_is_refused() {
    let run = Run::new();
    let process = run.start("read -r line").await;
    for line in ["two\nlines", "return\r", "nul\0", "escape \u{1b}[2J", "c1 \u{85}"] {
        let refused = process.write_line(line).await;
        assert!(matches!(refused, Err(ConsoleError::ControlCharacter(_))), "{line:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_console_that_is_not_read_is_an_error_after_a_while() {
    let run = Run::new();
    let process = run.start("exec sleep 1000").await;
    let line = "x".repeat(4_000);
    let refused = soon("a full console", async {
        loop {
            if let Err(refused) = process.write_line(&line).await {
                return refused;
            }
        }
    });
    assert!(matches!(refused.await, ConsoleError::NotRead));
}

#[tokio::test]
async fn a_console_that_was_closed_is_an_error_at_once() {
    let run = Run::new();
    let process = run.start("exec 0<&-; echo ready; exec sleep 1000").await;
    printed(&process, "ready").await;
    let refused = process.write_line("hello").await;
    assert!(matches!(refused, Err(ConsoleError::Closed)), "{refused:?}");
}

#[tokio::test]
async fn the_console_of_a_process_that_has_ended_is_closed() {
    let run = Run::new();
    let mut process = run.start("exec sleep 1000").await;
    signal(process.started().pid, Signal::SIGKILL);
    soon("the end", process.ended()).await;
    let refused = process.write_line("hello").await;
    assert!(matches!(refused, Err(ConsoleError::Closed)), "{refused:?}");
}
