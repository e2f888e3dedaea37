//! What SteamCMD prints, played through a real process: the progress that is seen and the result.

use std::fs;

use worker::install::{InstallError, Progress};

use crate::support::{APP, Planned, transcripts};

/// Each transcript and the exit code that went with it.
const TRANSCRIPTS: [(&str, i32); 27] = [
    ("fresh-install", 0),
    ("already-up-to-date", 0),
    ("validates-then-updates", 0),
    ("self-update", 0),
    ("self-update-only", 42),
    ("disk-full", 8),
    ("disk-full-for-itself", 1),
    ("not-enough-disk-space", 8),
    ("disk-write-failure", 8),
    ("no-subscription", 8),
    ("invalid-platform", 8),
    ("missing-configuration", 8),
    ("content-servers-unreachable", 8),
    ("no-connection", 5),
    ("no-connection-old-words", 5),
    ("no-connection-to-update-itself", 1),
    ("user-info-timed-out", 1),
    ("rate-limited", 5),
    ("rate-limited-old-words", 5),
    ("interrupted", 8),
    ("interrupted-but-exits-with-0", 0),
    ("unheard-of-reason", 8),
    ("crashes-after-the-install", 139),
    ("crashes-before-the-install", 139),
    ("no-32-bit-libraries", 127),
    ("self-update-only", 0),
    ("self-update-only", 7),
];

fn shown(progress: &Progress) -> String {
    let mut line = progress.phase.as_str().to_owned();
    if let Some(percent) = progress.percent {
        line += &format!(" {percent}%");
    }
    if let (Some(done), Some(total)) = (progress.bytes_done, progress.bytes_total) {
        line += &format!(" {done}/{total}");
    }
    line + "\n"
}

fn verdict(result: &Result<(), InstallError>, directory: &str) -> String {
    let Err(error) = result else { return "installed\n".to_owned() };
    let worth = if error.is_worth_retrying() { "worth retrying" } else { "final" };
    let text = error.to_string().replace(directory, "DIR");
    let name = format!("{error:?}");
    let name = name.split([' ', '{']).next().unwrap();
    let lines: String = error.last_lines().iter().map(|line| format!("| {line}\n")).collect();
    format!("{name} ({worth}): {text}\n{lines}")
}

#[tokio::test]
async fn every_transcript_is_understood() {
    for (name, code) in TRANSCRIPTS {
        let path = transcripts().join(name).with_extension("txt");
        let mut planned = Planned::new(&format!("cat '{}'; exit {code}", path.display()));
        planned.steamcmd.attempts = 1;
        let (progress, result) = planned.install(APP).await;
        let progress: String = progress.iter().map(shown).collect();
        let verdict = verdict(&result, planned.directory.path().to_str().unwrap());
        insta::with_settings!({ description => format!("exit code {code}"), omit_expression => true }, {
            insta::assert_snapshot!(format!("{name}-{code}"), format!("{progress}{verdict}"));
        });
    }
}

#[test]
fn no_transcript_is_left_out() {
    let names: Vec<_> = TRANSCRIPTS.iter().map(|(name, _)| *name).collect();
    for file in fs::read_dir(transcripts()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(names.contains(&name), "{name} is not played");
        }
    }
}
