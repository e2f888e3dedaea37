//! A supervisor and nothing else, for this crate's tests: a test program cannot be one itself. What is installed
//! is `manman supervise`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(directory) => worker::supervisor::run(Path::new(&directory)),
        None => ExitCode::from(2),
    }
}
