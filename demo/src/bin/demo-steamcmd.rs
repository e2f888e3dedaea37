//! A stand-in for SteamCMD, so that ManMan can be tried and tested without Steam: it takes the
//! arguments the agent gives, prints what SteamCMD prints, in the same order and shape, and installs
//! the `demo-server` that stands beside it, whatever the app.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `DEMO_STEAMCMD_SECONDS` | how long a download takes | 2 |
//! | `DEMO_STEAMCMD_FAIL` | fail like this: see [`Failure`] | succeed |
//! | `DEMO_STEAMCMD_FAIL_TIMES` | only so often, counted in the install directory | always |

use std::env;
use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{abort, exit};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

const EXECUTABLE: &str = "demo-server";
const USAGE: &str = "usage: demo-steamcmd +@sSteamCmdForcePlatformType PLATFORM \
    +force_install_dir DIRECTORY +login anonymous +app_update APP_ID +exit";

/// What an update goes through: SteamCMD's state, its word for it, and how many lines it prints there.
const STATES: [(&str, &str, u64); 4] = [
    ("0x11", "preallocating", 2),
    ("0x61", "downloading", 20),
    ("0x81", "verifying update", 5),
    ("0x101", "committing", 3),
];

struct Request {
    platform: String,
    directory: PathBuf,
    app_id: String,
}

/// `DEMO_STEAMCMD_FAIL`: `disk`, `no_subscription`, `transient`, `no_connection`, `platform` or `crash`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    Disk,
    NoSubscription,
    Transient,
    NoConnection,
    Platform,
    Crash,
}

fn main() {
    let request = Request::parse();
    let failure = failure(&request.directory);
    log_in(&request, failure);
    match failure {
        Some(Failure::NoSubscription) => refuse_app(&request, "No subscription"),
        Some(Failure::Platform) => refuse_app(&request, "Invalid platform"),
        _ => {}
    }
    let from = env::current_exe().map(|path| path.with_file_name(EXECUTABLE));
    let Ok(new) = from.and_then(fs::read) else { refuse_app(&request, "Missing configuration") };
    let to = request.directory.join(EXECUTABLE);
    if failure.is_none() && fs::read(&to).is_ok_and(|old| old == new) {
        succeed(&request, "already up to date");
    }
    update(&request, new.len() as u64, failure);
    match replace(&to, &new) {
        Ok(()) => succeed(&request, "fully installed"),
        Err(error) if error.kind() == ErrorKind::StorageFull => stop_in_state(&request, "0x202"),
        Err(_) => refuse_app(&request, "Disk write failure"),
    }
}

fn log_in(request: &Request, failure: Option<Failure>) {
    print("Redirecting stderr to '/tmp/demo-steamcmd/logs/stderr.txt'");
    print("Logging directory: '/tmp/demo-steamcmd/logs'");
    print("[  0%] Checking for available updates...");
    print("[----] Verifying installation...");
    print("UpdateUI: skip show logo");
    print("Steam Console Client (stand-in) - version 1");
    print("-- type 'quit' to exit --");
    print("Loading Steam API...OK");
    print(format_args!("\"@sSteamCmdForcePlatformType\" = \"{}\"", request.platform));
    print("");
    if failure == Some(Failure::NoConnection) {
        print("Connecting anonymously to Steam Public...Retrying...");
        print("Retrying...");
        print("FAILED (No Connection)");
        end(5)
    }
    print("Connecting anonymously to Steam Public...OK");
    print("Waiting for client config...OK");
    print("Waiting for user info...OK");
}

/// Prints the progress of an update; the failures that come in the middle of one come here.
fn update(request: &Request, bytes: u64, failure: Option<Failure>) {
    let seconds = number("DEMO_STEAMCMD_SECONDS").unwrap_or(2.0);
    let lines: u64 = STATES.iter().map(|(.., lines)| lines).sum();
    let pause = Duration::try_from_secs_f64(seconds / lines as f64)
        .unwrap_or_else(|_| misused(format_args!("DEMO_STEAMCMD_SECONDS cannot be {seconds}")));
    print(" Update state (0x3) reconfiguring, progress: 0.00 (0 / 0)");
    for (state, word, lines) in STATES {
        for line in 1..=lines {
            thread::sleep(pause);
            let done = bytes * line / lines;
            let percent = 100.0 * done as f64 / bytes as f64;
            print(format_args!(
                " Update state ({state}) {word}, progress: {percent:.2} ({done} / {bytes})"
            ));
            match failure.filter(|_| state == "0x61" && line == lines / 2) {
                Some(Failure::Disk) => stop_in_state(request, "0x202"),
                Some(Failure::Transient) => stop_in_state(request, "0x602"),
                Some(Failure::Crash) => abort(),
                _ => {}
            }
        }
    }
}

/// Another server may be running the old file: it keeps it, and none ever sees half of the new one.
fn replace(to: &Path, new: &[u8]) -> io::Result<()> {
    let beside = to.with_file_name(format!(".{EXECUTABLE}.{}", std::process::id()));
    let written = fs::write(&beside, new)
        .and_then(|()| make_executable(&beside))
        .and_then(|()| fs::rename(&beside, to));
    if written.is_err() {
        // Best effort: what is reported is why it was not written.
        drop(fs::remove_file(&beside));
    }
    written
}

fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn refuse_app(request: &Request, why: &str) -> ! {
    print(format_args!("ERROR! Failed to install app '{}' ({why})", request.app_id));
    end(8)
}

fn stop_in_state(request: &Request, state: &str) -> ! {
    print(format_args!("Error! App '{}' state is {state} after update job.", request.app_id));
    end(8)
}

fn succeed(request: &Request, how: &str) -> ! {
    print(format_args!("Success! App '{}' {how}.", request.app_id));
    end(0)
}

fn end(code: i32) -> ! {
    print("Unloading Steam API...OK");
    exit(code)
}

fn print(line: impl Display) {
    if writeln!(io::stdout().lock(), "{line}").is_err() {
        exit(1);
    }
}

/// How this run fails, if it does.
fn failure(directory: &Path) -> Option<Failure> {
    let failure = match env::var("DEMO_STEAMCMD_FAIL").ok()?.as_str() {
        "" => return None,
        "disk" => Failure::Disk,
        "no_subscription" => Failure::NoSubscription,
        "transient" => Failure::Transient,
        "no_connection" => Failure::NoConnection,
        "platform" => Failure::Platform,
        "crash" => Failure::Crash,
        other => misused(format_args!("DEMO_STEAMCMD_FAIL cannot be {other:?}")),
    };
    if let Some(times) = number::<u32>("DEMO_STEAMCMD_FAIL_TIMES") {
        let counter = directory.join(".demo-steamcmd-failures");
        let failed = fs::read_to_string(&counter).ok().and_then(|text| text.trim().parse().ok());
        let failed: u32 = failed.unwrap_or(0);
        if failed >= times {
            return None;
        }
        if let Err(error) = fs::write(&counter, format!("{}\n", failed + 1)) {
            misused(format_args!("{}: {error}", counter.display()));
        }
    }
    Some(failure)
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| misused(format_args!("{name} cannot be {text:?}"))))
}

impl Request {
    fn parse() -> Self {
        let (mut platform, mut directory, mut app_id) = (None, None, None);
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "+@sSteamCmdForcePlatformType" => platform = args.next(),
                "+force_install_dir" => directory = args.next(),
                "+login" => drop(args.next()),
                "+app_update" => app_id = args.next(),
                "+exit" => break,
                _ => misused(format_args!("unknown argument {arg:?}")),
            }
        }
        let (Some(platform), Some(directory), Some(app_id)) = (platform, directory, app_id) else {
            misused(USAGE)
        };
        Self { platform, directory: directory.into(), app_id }
    }
}

fn misused(why: impl Display) -> ! {
    eprintln!("demo-steamcmd: {why}");
    exit(2)
}
