//! The stand-in for SteamCMD: it installs the demo server, and fails as it is told to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn install(directory: &Path, settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo-steamcmd"))
        .args(["+@sSteamCmdForcePlatformType", "linux", "+force_install_dir"])
        .arg(directory)
        .args(["+login", "anonymous", "+app_update", "730", "+exit"])
        .env("DEMO_STEAMCMD_SECONDS", "0")
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn it_installs_the_server_beside_it_and_leaves_one_that_is_there() {
    let scratch = Scratch::new("installs");
    let output = install(&scratch.0, &[]);
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(" Update state (0x61) downloading, progress: 50.00 ("), "{text}");
    assert!(text.contains("Success! App '730' fully installed.\n"), "{text}");

    let server = scratch.0.join("demo-server");
    let help = Command::new(&server).arg("--help").output().unwrap();
    assert!(printed(&help).contains("plays no game"));

    let written = fs::metadata(&server).unwrap().modified().unwrap();
    let text = printed(&install(&scratch.0, &[]));
    assert!(text.contains("Success! App '730' already up to date.\n"), "{text}");
    assert_eq!(fs::metadata(&server).unwrap().modified().unwrap(), written);
}

#[test]
fn an_older_server_is_replaced_and_not_written_over() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new("replaces");
    let server = scratch.0.join("demo-server");
    fs::write(&server, "an older one").unwrap();
    let old = fs::metadata(&server).unwrap().ino();
    // Held open, as by a server that runs, its number cannot be given to the new file.
    let _running = fs::File::open(&server).unwrap();
    assert!(install(&scratch.0, &[]).status.success());
    assert_ne!(fs::metadata(&server).unwrap().ino(), old);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn it_fails_as_it_is_told_to() {
    let scratch = Scratch::new("fails");
    for (failure, code, line) in [
        ("disk", 8, "Error! App '730' state is 0x202 after update job."),
        ("transient", 8, "Error! App '730' state is 0x602 after update job."),
        ("no_subscription", 8, "ERROR! Failed to install app '730' (No subscription)"),
        ("platform", 8, "ERROR! Failed to install app '730' (Invalid platform)"),
        ("no_connection", 5, "FAILED (No Connection)"),
    ] {
        let output = install(&scratch.0, &[("DEMO_STEAMCMD_FAIL", failure)]);
        assert_eq!(output.status.code(), Some(code), "{failure}");
        assert!(printed(&output).contains(line), "{failure}: {}", printed(&output));
    }
    let crashed = install(&scratch.0, &[("DEMO_STEAMCMD_FAIL", "crash")]);
    assert!(crashed.status.signal().is_some());
    assert!(!scratch.0.join("demo-server").exists());
}

#[test]
fn it_fails_as_often_as_it_is_told_to() {
    let scratch = Scratch::new("fails-twice");
    let settings = [("DEMO_STEAMCMD_FAIL", "transient"), ("DEMO_STEAMCMD_FAIL_TIMES", "2")];
    let codes = [(); 3].map(|()| install(&scratch.0, &settings).status.code());
    assert_eq!(codes, [Some(8), Some(8), Some(0)]);
}
