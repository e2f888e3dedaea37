//! A game server to try ManMan with, and to test it on a real process: it prints a banner and ticks,
//! reads console lines, floods its output and dies in several ways, each when asked to.
//!
//! It has no dependencies and takes no signal: SIGTERM ends it as it ends any program that does not
//! care, so `quit` is what saves its world.

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::process::exit;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

const HELP: &str = "\
A game server that plays no game.

usage: demo-server [options]
  --tick SECONDS            print a tick this often; 0: never [default: 5]
  --flood LINES_PER_SECOND  print numbered lines at this rate
  --exit-after SECONDS      exit by itself
  --exit-code CODE          with this code [default: 0]
  --help                    print this

on the console:
  say TEXT                  chat
  players                   who is there
  crash                     die with exit code 3
  quit                      save the world and exit
  help                      print the commands";

const COMMANDS: &str = "commands: say TEXT, players, crash, quit, help";

#[derive(Clone, Copy)]
struct Options {
    tick: Duration,
    flood: u32,
    exit_after: Option<Duration>,
    exit_code: i32,
}

fn main() {
    let options = Options::parse(std::env::args().skip(1));
    print("demo server starting");
    print("loading world");
    print("ready for players, type help for commands");
    if !options.tick.is_zero() {
        thread::spawn(move || tick(options.tick));
    }
    if options.flood > 0 {
        thread::spawn(move || flood(options.flood));
    }
    if let Some(after) = options.exit_after {
        thread::spawn(move || {
            thread::sleep(after);
            exit(options.exit_code)
        });
    }
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        obey(line.trim());
    }
    // A console that was closed is no reason to stop: game servers run without one.
    loop {
        thread::park();
    }
}

fn obey(line: &str) {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "" => {}
        "say" => print(format_args!("[chat] {rest}")),
        "players" => print("2 players: alice, bob"),
        "help" => print(COMMANDS),
        "quit" => {
            print("saving world");
            exit(0)
        }
        "crash" => {
            eprintln!("thread 'world' panicked at src/world.rs:42:13:");
            eprintln!("attempt to divide by zero");
            exit(3)
        }
        _ => print("unknown command"),
    }
}

fn tick(every: Duration) {
    for number in 1_u64.. {
        thread::sleep(every);
        print(format_args!("tick {number}"));
    }
}

/// Writes what is due a hundred times a second: one write per line could not keep up with high rates.
fn flood(lines_per_second: u32) {
    let rate = f64::from(lines_per_second);
    let (mut number, mut owed, mut before) = (0_u64, 0.0, Instant::now());
    let mut lines = Vec::new();
    loop {
        thread::sleep(Duration::from_millis(10));
        // At most a tenth of a second's lines: a reader that paused is not buried afterwards.
        owed += (before.elapsed().as_secs_f64() * rate).min(rate / 10.0 + 1.0);
        before = Instant::now();
        lines.clear();
        while owed >= 1.0 {
            owed -= 1.0;
            number += 1;
            lines.extend_from_slice(format!("line {number}\n").as_bytes());
        }
        if io::stdout().lock().write_all(&lines).is_err() {
            exit(1);
        }
    }
}

/// A line on stdout, at once: Rust's stdout is flushed at every newline, also into a pipe. One that
/// nobody reads any more ends the program.
fn print(line: impl Display) {
    if writeln!(io::stdout().lock(), "{line}").is_err() {
        exit(1);
    }
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Self {
        let mut options =
            Self { tick: Duration::from_secs(5), flood: 0, exit_after: None, exit_code: 0 };
        while let Some(name) = args.next() {
            match name.as_str() {
                "--tick" => options.tick = seconds(&name, args.next()),
                "--flood" => options.flood = value(&name, args.next()),
                "--exit-after" => options.exit_after = Some(seconds(&name, args.next())),
                "--exit-code" => options.exit_code = value(&name, args.next()),
                "--help" => {
                    println!("{HELP}");
                    exit(0)
                }
                _ => refuse(format_args!("unknown option {name}")),
            }
        }
        options
    }
}

fn value<T: FromStr>(name: &str, text: Option<String>) -> T {
    let Some(text) = text else { refuse(format_args!("{name} needs a value")) };
    text.parse().unwrap_or_else(|_| refuse(format_args!("{text:?} is no value for {name}")))
}

fn seconds(name: &str, text: Option<String>) -> Duration {
    let seconds = value(name, text);
    Duration::try_from_secs_f64(seconds)
        .unwrap_or_else(|_| refuse(format_args!("{seconds} is no value for {name}")))
}

fn refuse(why: impl Display) -> ! {
    eprintln!("demo-server: {why}; see --help");
    exit(2)
}
