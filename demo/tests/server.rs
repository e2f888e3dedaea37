//! The demo server: what it prints, what it understands, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A demo server that is killed when the test is over.
struct Server {
    child: Child,
    console: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_demo-server"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let console = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, console, lines }
    }

    /// One that is ready and has printed its banner.
    fn ready(args: &[&str]) -> Self {
        let mut server = Self::start(args);
        while !server.line().contains("ready for players") {}
        server
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.console.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Its exit code and what it said on stderr.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn it_answers_on_its_console_until_it_is_told_to_quit() {
    let mut server = Server::ready(&["--tick", "0"]);
    for (asked, answered) in [
        ("say hello there", "[chat] hello there"),
        ("players", "2 players: alice, bob"),
        ("dance", "unknown command"),
        ("help", "commands: say TEXT, players, crash, quit, help"),
        ("quit", "saving world"),
    ] {
        server.say(asked);
        assert_eq!(server.line(), answered);
    }
    assert_eq!(server.ended(), (Some(0), String::new()));
}

#[test]
fn a_crash_says_why_on_stderr_and_has_an_exit_code() {
    let mut server = Server::ready(&[]);
    server.say("crash");
    let (code, said) = server.ended();
    assert_eq!(code, Some(3));
    assert!(said.contains("attempt to divide by zero"), "{said}");
}

#[test]
fn it_ticks_and_runs_on_when_its_console_is_closed() {
    let mut server = Server::ready(&["--tick", "0.01"]);
    server.console = None;
    for tick in 1..=3 {
        assert_eq!(server.line(), format!("tick {tick}"));
    }
}

#[test]
fn a_flood_leaves_no_line_out() {
    let mut server = Server::ready(&["--tick", "0", "--flood", "100000"]);
    for line in 1..=10_000 {
        assert_eq!(server.line(), format!("line {line}"));
    }
}

#[test]
fn it_exits_by_itself_when_asked_to() {
    let mut server = Server::start(&["--exit-after", "0.01", "--exit-code", "7"]);
    assert_eq!(server.ended(), (Some(7), String::new()));
}

#[test]
fn what_it_does_not_understand_it_refuses() {
    for args in [&["--tock"][..], &["--tick"], &["--tick", "-1"], &["--flood", "many"]] {
        let (code, said) = Server::start(args).ended();
        assert_eq!(code, Some(2), "{args:?}");
        assert!(said.contains("see --help"), "{said}");
    }
}
