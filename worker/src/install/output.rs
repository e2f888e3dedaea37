//! What SteamCMD's output means.
//!
//! Valve documents none of it: the words are what is met in practice. It is not told by its exit code
//! alone, because SteamCMD exits with 0 although an app failed, and crashes after one was installed.

use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use super::child::LastLines;
use super::error::InstallError;
use super::progress::{Phase, Progress};

/// What SteamCMD calls the states of an update (`Update state (0x61) downloading, progress: …`).
const STATES: [(&str, Phase); 8] = [
    ("reconfiguring", Phase::Reconfiguring),
    ("validating", Phase::Validating),
    ("verifying install", Phase::Validating),
    ("preallocating", Phase::Preallocating),
    ("downloading", Phase::Downloading),
    ("verifying update", Phase::Verifying),
    ("staging", Phase::Committing),
    ("committing", Phase::Committing),
];

/// What it does when it updates itself (`[ 41%] Downloading update (1,234 of 30,123 KB)...`).
const SELF_UPDATE: [&str; 3] = ["downloading update", "extracting package", "installing update"];

/// Lines that tell of a failure contain one of these; a login's own words come first.
const LOGIN_FAILURES: [&str; 5] =
    ["Login Failure: ", "FAILED login with result code ", "FAILED with ", "FAILED (", "ERROR ("];
const FAILURES: [&str; 3] = ["ERROR! ", "Error! ", "Fatal Error: "];

/// `Error! App '740' state is 0x202 after update job.` where there is no space left. The other states
/// all mean that an update was interrupted, whatever the reason was.
const STATES_OF_A_FULL_DISK: [u32; 2] = [0x202, 0x212];

/// Exit codes by which a SteamCMD that updated itself asks to be run again.
const RUN_AGAIN: i32 = 42;
const RUN_AGAIN_AFTER_UPDATE: i32 = 7;
/// `steamcmd.sh` exits with 128 and the signal's number when a signal ended SteamCMD.
const SIGNALS: RangeInclusive<i32> = 129..=159;

/// The output of one run of SteamCMD, read line by line.
#[derive(Debug)]
pub(super) struct Output<'a> {
    app_id: i32,
    directory: &'a Path,
    last: Option<Progress>,
    /// What it said of the app, once it did.
    verdict: Option<Result<(), InstallError>>,
    /// It updated itself and has not come up again since.
    has_updated_itself: bool,
    last_lines: LastLines,
}

impl<'a> Output<'a> {
    pub(super) fn new(app_id: i32, directory: &'a Path) -> Self {
        Self {
            app_id,
            directory,
            last: None,
            verdict: None,
            has_updated_itself: false,
            last_lines: LastLines::default(),
        }
    }

    /// Reads a line; says how far SteamCMD is when that is news.
    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        let progress = update(line).or_else(|| self_update(line)).or_else(|| {
            // Anything else may be what it ended with, and may be why.
            self.last_lines.push(line);
            self.notice(line);
            line.contains("Connecting anonymously").then(|| Progress::of(Phase::Connecting))
        })?;
        let is_news = self.last.is_none_or(|last| progress.is_news_after(&last));
        if is_news {
            self.last = Some(progress);
        }
        is_news.then_some(progress)
    }

    fn notice(&mut self, line: &str) {
        if line.contains("Update complete, launching") || line.contains("Restarting steamcmd") {
            self.has_updated_itself = true;
        } else if line.contains("Loading Steam API") {
            self.has_updated_itself = false;
        }
        if line.contains(&format!("Success! App '{}' ", self.app_id)) {
            self.verdict = Some(Ok(()));
        } else if !matches!(self.verdict, Some(Err(_))) {
            // The first failure is the reason for those that follow.
            self.verdict = self.failure(line).map(Err).or(self.verdict.take());
        }
    }

    /// What a line says went wrong.
    fn failure(&self, line: &str) -> Option<InstallError> {
        let after = |words: &[&str]| {
            words.iter().find_map(|word| line.split_once(word).map(|(_, after)| after))
        };
        let login = after(&LOGIN_FAILURES);
        let text = login.or_else(|| after(&FAILURES))?;
        Some(match (self.known(text), state(text), login) {
            (Some(known), ..) => known,
            (None, Some(state), _) if STATES_OF_A_FULL_DISK.contains(&state) => {
                InstallError::DiskFull { directory: self.directory.to_owned() }
            }
            (None, Some(state), _) => InstallError::TransientContent { app_id: self.app_id, state },
            (None, None, Some(reason)) => {
                InstallError::LoginRefused { reason: bare(reason).to_owned() }
            }
            (None, None, None) => InstallError::Unrecognised { line: line.trim().to_owned() },
        })
    }

    /// The reasons that are known by their words.
    fn known(&self, text: &str) -> Option<InstallError> {
        let text = text.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let (app_id, directory) = (self.app_id, || self.directory.to_owned());
        if says(&["no subscription"]) {
            Some(InstallError::NoSubscription { app_id })
        } else if says(&["invalid platform"]) {
            Some(InstallError::InvalidPlatform { app_id })
        } else if says(&["missing configuration", "invalid app configuration"]) {
            Some(InstallError::UnknownApp { app_id })
        } else if says(&["not enough disk", "free disk space"]) {
            Some(InstallError::DiskFull { directory: directory() })
        } else if says(&["disk write failure", "missing file permissions"]) {
            Some(InstallError::DiskWrite { directory: directory() })
        } else if says(&[
            "no connection",
            "timeout",
            "timed out",
            "content servers unreachable",
            "service unavailable",
            "try another cm",
            "to be online",
            "not online",
        ]) {
            Some(InstallError::NoConnection { reason: bare(&text).to_owned() })
        } else {
            None
        }
    }

    /// What came of the run that printed all this.
    pub(super) fn conclude(self, status: ExitStatus) -> Result<(), InstallError> {
        if let Some(verdict) = self.verdict {
            if verdict.is_ok() && !status.success() {
                tracing::warn!(app_id = self.app_id, %status, "steamcmd failed after it had installed");
            }
            return verdict;
        }
        let last_lines = self.last_lines.into();
        Err(match (status.code(), self.has_updated_itself) {
            (Some(0), false) => return Ok(()),
            (Some(RUN_AGAIN), _) | (Some(0 | RUN_AGAIN_AFTER_UPDATE), true) => {
                InstallError::OnlyUpdatedItself
            }
            (Some(code), _) if SIGNALS.contains(&code) => {
                InstallError::Signalled { signal: code - 128, last_lines }
            }
            (Some(code), _) => InstallError::ExitCode { code, last_lines },
            (None, _) => {
                InstallError::Signalled { signal: status.signal().unwrap_or_default(), last_lines }
            }
        })
    }
}

/// The reason that is given in parentheses, or else all of the text, without what surrounds it.
fn bare(text: &str) -> &str {
    let inside = text.rsplit_once('(').map_or(text, |(_, inside)| inside);
    inside.split(')').next().unwrap_or(inside).trim().trim_end_matches('.')
}

/// The state in which SteamCMD left an app: `… state is 0x202 after update job`.
fn state(text: &str) -> Option<u32> {
    let (before, _) = text.split_once(" after update job")?;
    let (_, state) = before.rsplit_once("0x")?;
    u32::from_str_radix(state, 16).ok()
}

/// ` Update state (0x61) downloading, progress: 41.35 (1234567 / 2985412)`; the first number is written
/// with a comma in some languages, and what follows may belong to the next line.
fn update(line: &str) -> Option<Progress> {
    let (_, rest) = line.split_once("state (0x")?;
    let (_, rest) = rest.split_once(") ")?;
    let (word, rest) = rest.split_once(", progress: ")?;
    let (_, phase) = STATES.into_iter().find(|(state, _)| *state == word)?;
    let (percent, rest) = rest.split_once(" (")?;
    let (done, total) = rest.split_once(')')?.0.split_once(" / ")?;
    let total: i64 = total.parse().ok()?;
    if total == 0 {
        return Some(Progress::of(phase));
    }
    let percent: u8 = percent.split(['.', ',']).next()?.parse().ok()?;
    Some(Progress {
        phase,
        percent: Some(percent.min(100)),
        bytes_done: Some(done.parse().ok()?),
        bytes_total: Some(total),
    })
}

fn self_update(line: &str) -> Option<Progress> {
    let (percent, rest) = line.trim_start().strip_prefix('[')?.split_once("] ")?;
    let rest = rest.to_ascii_lowercase();
    if !SELF_UPDATE.iter().any(|word| rest.starts_with(word)) {
        return None;
    }
    let kilobytes = |text: &str| Some(text.replace(',', "").parse::<i64>().ok()? * 1024);
    let sizes = rest.split_once('(').and_then(|(_, sizes)| sizes.split_once(" kb)"));
    let sizes = sizes.and_then(|(sizes, _)| sizes.split_once(" of "));
    Some(Progress {
        phase: Phase::UpdatingSteamcmd,
        percent: percent.trim().strip_suffix('%').and_then(|percent| percent.parse().ok()),
        bytes_done: sizes.and_then(|(done, _)| kilobytes(done)),
        bytes_total: sizes.and_then(|(_, total)| kilobytes(total)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output<'static> {
        Output::new(740, Path::new("/srv"))
    }

    fn said(line: &str) -> String {
        let mut output = output();
        output.line(line);
        match output.verdict {
            Some(Err(error)) => error.to_string(),
            Some(Ok(())) => "installed".to_owned(),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn words_that_vary_are_understood() {
        let state = |state| {
            format!("steamcmd left app 740 in state {state}: try again, it goes on where it was")
        };
        let full = "the disk is full: free some space for /srv";
        for (line, expected) in [
            ("Error! State is 0x402 after update job.", state("0x402").as_str()),
            ("Error! App '740' state is is 0x2 after update job.", &state("0x2")),
            ("Error! App '740' state is 0x212 after update job.", full),
            ("Error! App '740' state is 0x606 after update job : Not enough disk quota", full),
            ("app_update 740ERROR! Failed to install app '740' (Not enough disk space)", full),
            ("OK Success! App '740' fully installed.", "installed"),
            ("Success! App '741' fully installed.", "nothing"),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }

    #[test]
    fn harmless_lines_are_no_failures() {
        for line in [
            "ILocalize::AddFile() failed to load file \"public/steambootstrapper_english.txt\".",
            "KeyValues Error: LoadFromBuffer: missing {",
            "src/clientdll/appdatacache.cpp (520) : Assertion Failed: app info out of date",
            "IPC function call IClientUtils::GetSteamRealm took too long: 52 msec",
            "Please use force_install_dir before logon!",
            "/tmp/dumps insufficient permissions - delete and recreate",
        ] {
            assert_eq!(said(line), "nothing", "{line}");
        }
    }

    #[test]
    fn the_first_failure_is_the_reason_and_a_later_success_settles_it() {
        let mut output = output();
        for line in ["FAILED (No Connection)", "ERROR! Failed to install app '740' (Busy)"] {
            output.line(line);
        }
        assert!(matches!(output.verdict, Some(Err(InstallError::NoConnection { .. }))));
        output.line("Success! App '740' already up to date.");
        assert!(matches!(output.verdict, Some(Ok(()))));
    }

    #[test]
    fn half_a_line_of_progress_is_none() {
        for line in [
            "Update state (0x61) downloading, progress: much (1 / 2)",
            "Update state (0x61) downloading, progress: 41.35 (1 / )",
            "Update state (0x61) downloading, progress: 41.35 (99999999999999999999 / 2)",
            "Update state (0x61) downloading, prog",
            "Update state (0x0) unknown, progress: 0.00 (0 / 0)",
            "[",
            "[ 41%]",
            "[----] Verifying installation...",
        ] {
            assert_eq!(output().line(line), None, "{line}");
        }
    }
}
