//! Why a process could not be started, in the words of people.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::libc;

use crate::run_dir::LaunchSpec;

/// The longest first line of a script that is looked at; the kernel reads no more than 256 bytes.
const FIRST_LINE: u64 = 256;

/// Says why starting failed. The system has one number for several mistakes (a missing working directory, a
/// missing executable and a missing interpreter are all "no such file"), so the files are looked at.
pub(super) fn explain(spec: &LaunchSpec, error: &io::Error) -> String {
    let executable = spec.executable.display();
    let directory = spec.directory.display();
    match fs::metadata(&spec.directory) {
        Ok(found) if !found.is_dir() => {
            return format!("its working directory {directory} is not a directory");
        }
        Ok(_) => {}
        Err(error) => return format!("its working directory {directory} {}", words(&error)),
    }
    let found = match fs::metadata(&spec.executable) {
        Ok(found) => found,
        Err(error) => return format!("{executable} {}", words(&error)),
    };
    if !found.is_file() {
        return format!("{executable} is not a file");
    }
    let mode = found.permissions().mode() & 0o7777;
    match error.raw_os_error() {
        Some(libc::ENOENT) => missing_interpreter(&spec.executable),
        Some(libc::EACCES) if mode & 0o111 == 0 => {
            format!("{executable} is not executable (its mode is {mode:04o})")
        }
        Some(libc::EACCES) => format!(
            "{executable} may not be executed (its mode is {mode:04o}; a file system mounted noexec forbids it too)"
        ),
        Some(libc::ENOEXEC) => format!(
            "{executable}: exec format error: it is not a program for this machine, or a script without \"#!\" in its \
             first line"
        ),
        Some(libc::E2BIG) => format!("{executable}: its arguments and environment are too long"),
        Some(libc::ETXTBSY) => format!("{executable} is being written to"),
        _ => format!("{executable}: {error}"),
    }
}

/// The executable is there; what it needs to run is not.
fn missing_interpreter(executable: &Path) -> String {
    let shown = executable.display();
    match interpreter(executable) {
        Some(interpreter) => {
            format!("{shown} is a script for {interpreter}, which does not exist")
        }
        None => format!(
            "{shown} needs a program loader that is not installed (a 32-bit program on a 64-bit system?)"
        ),
    }
}

/// What a script's first line names.
fn interpreter(executable: &Path) -> Option<String> {
    let mut line = Vec::new();
    let file = File::open(executable).ok()?.take(FIRST_LINE);
    BufReader::new(file).read_until(b'\n', &mut line).ok()?;
    let named = line.strip_prefix(b"#!")?;
    let named = String::from_utf8_lossy(named);
    named.split_whitespace().next().map(|name| format!("{name:?}"))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be reached: permission denied".to_owned(),
        _ => format!("cannot be reached: {error}"),
    }
}
