//! A process that really dies: this test's own executable, started again as the victim.

#![cfg(debug_assertions)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use crash_points::{Point, VARIABLE, arm, reach};

#[test]
#[ignore = "is the victim of the other tests"]
fn victim() {
    arm().unwrap();
    reach(Point::AppendBefore);
    reach(Point::AppendAfter);
    reach(Point::AppendAfter);
}

#[test]
fn a_process_dies_by_signal_9_where_and_when_it_is_told_to() {
    assert_eq!(victim_with("append.before").signal(), Some(9));
    assert_eq!(victim_with("append.after:2").signal(), Some(9));
    assert!(victim_with("append.after:3").success());
    assert!(victim_with("switch.after-commit").success());
    assert_eq!(victim_with("append.afterwards").code(), Some(101));
}

fn victim_with(setting: &str) -> ExitStatus {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", "victim", "--ignored"]).env(VARIABLE, setting);
    victim.output().unwrap().status
}
