//! Endings in words, and as reports tell them.

use messaging::contract::StatusDetail;
use nix::sys::signal::Signal;

use crate::run_dir::{Ending, HowEnded};

/// How a run ended, for people: `exited with code 3`.
pub(super) fn how(how: &HowEnded) -> String {
    match how {
        HowEnded::Exited { code } => format!("exited with code {code}"),
        HowEnded::Signalled { signal } => match Signal::try_from(*signal) {
            Ok(name) => format!("killed by signal {signal} ({name})"),
            Err(_) => format!("killed by signal {signal}"),
        },
        HowEnded::NotStarted { reason } => format!("could not be started: {reason}"),
        HowEnded::Unknown { reason } => reason.clone(),
    }
}

/// An ending as its report tells it; `context` goes after the words.
pub(super) fn detail(ending: &Ending, context: &str) -> StatusDetail {
    let (exit_code, signal) = match ending.how {
        HowEnded::Exited { code } => (Some(code), None),
        HowEnded::Signalled { signal } => (None, Some(signal)),
        HowEnded::NotStarted { .. } | HowEnded::Unknown { .. } => (None, None),
    };
    StatusDetail {
        reason: Some(format!("{}{context}", how(&ending.how))),
        exit_code,
        signal,
        last_lines: ending.last_lines.clone(),
        ..StatusDetail::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_told_in_words() {
        assert_eq!(how(&HowEnded::Exited { code: 3 }), "exited with code 3");
        assert_eq!(how(&HowEnded::Signalled { signal: 9 }), "killed by signal 9 (SIGKILL)");
        assert_eq!(how(&HowEnded::Signalled { signal: 64 }), "killed by signal 64");
    }

    #[test]
    fn its_report_has_code_or_signal_and_the_last_lines() {
        let ending = |how| Ending { how, at: chrono::Utc::now(), last_lines: vec!["bye".into()] };
        let exited = detail(&ending(HowEnded::Exited { code: 0 }), "; stopped as asked");
        assert_eq!(exited.reason.as_deref(), Some("exited with code 0; stopped as asked"));
        assert_eq!((exited.exit_code, exited.signal), (Some(0), None));
        assert_eq!(exited.last_lines, ["bye"]);
        let signalled = detail(&ending(HowEnded::Signalled { signal: 11 }), "");
        assert_eq!((signalled.exit_code, signalled.signal), (None, Some(11)));
    }
}
