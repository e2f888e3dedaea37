//! What a command asks for, read from either place it comes from.

use messaging::contract::{self, CommandType};
use serde::{Deserialize, Serialize};

use crate::api::{CommandKind, PendingCommand};
use crate::reports::Lane;

/// How much of somebody else's text goes into a reason, in characters.
const EXCERPT: usize = 200;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Create and run an instance of a config.
    Start {
        /// The config.
        config_id: i32,
    },
    /// End what runs of a config.
    Stop {
        /// The config.
        config_id: i32,
    },
    /// Write a line to what runs of a config.
    Stdin {
        /// The config.
        config_id: i32,
        /// The instance that was meant, where the request named one: another one is not to get the line.
        instance_id: Option<i32>,
        /// The line, without its end.
        line: String,
    },
    /// End every instance, and the worker.
    ShutDown,
}

/// Why a command cannot be understood. The text is for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the body is no command: {0}")]
    Body(String),
    #[error("this agent does not know this kind of command")]
    Kind,
    #[error("a header is malformed: {0}")]
    Header(String),
    #[error("a start takes exactly one config id")]
    StartArguments,
    #[error("a stop takes one config id, or nothing at all to shut the worker down")]
    StopArguments,
    #[error("a line takes a config id and at least one word")]
    StdinArguments,
    #[error("'{0}' is no id")]
    Id(String),
    #[error("a line may have neither line breaks nor NUL in it")]
    LineBreak,
}

impl Asked {
    /// Reads a message's body, which is v1's. A v1 worker ignored, died of or locked up at what is malformed in it
    /// (contract §4.5).
    pub(super) fn in_message(body: &[u8], instance_id: Option<i32>) -> Result<Self, Unreadable> {
        let command: contract::Command = serde_json::from_slice(body)
            .map_err(|error| Unreadable::Body(excerpt(&error.to_string())))?;
        let args = command.command_args;
        match command.command_type {
            CommandType::Start => match args.as_slice() {
                [config] => Ok(Self::Start { config_id: id(config)? }),
                _ => Err(Unreadable::StartArguments),
            },
            CommandType::Stop => match args.as_slice() {
                [] => Ok(Self::ShutDown),
                [config] => Ok(Self::Stop { config_id: id(config)? }),
                _ => Err(Unreadable::StopArguments),
            },
            CommandType::Stdin => match args.as_slice() {
                [config, words @ ..] => Self::stdin(id(config)?, instance_id, words),
                [] => Err(Unreadable::StdinArguments),
            },
        }
    }

    /// Reads a command from the log's list of pending ones.
    pub(super) fn in_list(pending: &PendingCommand) -> Result<Self, Unreadable> {
        let config_id = pending.game_server_config_id;
        match pending.kind {
            CommandKind::Start => config_id
                .map(|config_id| Self::Start { config_id })
                .ok_or(Unreadable::StartArguments),
            CommandKind::Stop => {
                config_id.map(|config_id| Self::Stop { config_id }).ok_or(Unreadable::StopArguments)
            }
            CommandKind::Stdin => Self::stdin(
                config_id.ok_or(Unreadable::StdinArguments)?,
                pending.game_server_instance_id,
                &pending.words,
            ),
            CommandKind::Shutdown => Ok(Self::ShutDown),
            CommandKind::Unknown => Err(Unreadable::Kind),
        }
    }

    fn stdin(
        config_id: i32,
        instance_id: Option<i32>,
        words: &[String],
    ) -> Result<Self, Unreadable> {
        if words.is_empty() {
            return Err(Unreadable::StdinArguments);
        }
        let line = words.join(" ");
        // One command is one line: what is behind a line break would be another one, which nobody was asked about.
        if line.contains(['\n', '\r', '\0']) {
            return Err(Unreadable::LineBreak);
        }
        Ok(Self::Stdin { config_id, instance_id, line })
    }

    /// The config it is about; none for a shutdown.
    #[must_use]
    pub const fn config_id(&self) -> Option<i32> {
        match self {
            Self::Start { config_id }
            | Self::Stop { config_id }
            | Self::Stdin { config_id, .. } => Some(*config_id),
            Self::ShutDown => None,
        }
    }

    /// Whether it asks for less to run. That is never too late, and waits for nothing that asks for more.
    pub(super) const fn ends_something(&self) -> bool {
        matches!(self, Self::Stop { .. } | Self::ShutDown)
    }

    /// The word for it in metrics and logs.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Stdin { .. } => "stdin",
            Self::ShutDown => "shutdown",
        }
    }

    /// The lane of its outcome: behind the reports of what it brought about.
    pub(super) fn lane(&self) -> Lane {
        self.config_id().map_or(Lane::Worker, Lane::Config)
    }
}

/// A decimal id, as v1 writes it into strings.
pub(super) fn id(text: &str) -> Result<i32, Unreadable> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|number| *number > 0).ok_or_else(|| Unreadable::Id(excerpt(text)))
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<Asked, Unreadable> {
        Asked::in_message(body.as_bytes(), None)
    }

    #[test]
    fn messages_of_v1_are_read() {
        for (body, asked) in [
            (r#"{"command_type":"START","command_args":["7"]}"#, Asked::Start { config_id: 7 }),
            (r#"{"command_type":"STOP","command_args":["7"]}"#, Asked::Stop { config_id: 7 }),
            (r#"{"command_type":"STOP","command_args":[]}"#, Asked::ShutDown),
            (r#"{"command_type":"STOP"}"#, Asked::ShutDown),
            (
                r#"{"command_type":"STDIN","command_args":["7","say","hé  llo",""]}"#,
                Asked::Stdin { config_id: 7, instance_id: None, line: "say hé  llo ".to_owned() },
            ),
        ] {
            assert_eq!(read(body), Ok(asked), "{body}");
        }
    }

    #[test]
    fn what_a_v1_worker_died_of_has_a_reason_instead() {
        for (body, reason) in [
            (r#"{"command_type":"START","command_args":[]}"#, "exactly one config id"),
            (r#"{"command_type":"START","command_args":["1","2"]}"#, "exactly one config id"),
            (r#"{"command_type":"START","command_args":["one"]}"#, "'one' is no id"),
            (r#"{"command_type":"START","command_args":["-1"]}"#, "'-1' is no id"),
            (r#"{"command_type":"START","command_args":["+1"]}"#, "'+1' is no id"),
            (r#"{"command_type":"START","command_args":["0"]}"#, "'0' is no id"),
            (r#"{"command_type":"START","command_args":["2147483648"]}"#, "is no id"),
            (r#"{"command_type":"START","command_args":[1]}"#, "no command"),
            (r#"{"command_type":"STOP","command_args":["1","2"]}"#, "or nothing at all"),
            (r#"{"command_type":"STOP","command_args":[""]}"#, "'' is no id"),
            (r#"{"command_type":"STDIN","command_args":[]}"#, "at least one word"),
            (r#"{"command_type":"STDIN","command_args":["1"]}"#, "at least one word"),
            (r#"{"command_type":"STDIN","command_args":["1","a\nquit"]}"#, "line breaks"),
            (r#"{"command_type":"DANCE","command_args":["1"]}"#, "no command"),
            (r#"{"command_args":["1"]}"#, "no command"),
            ("[]", "no command"),
            ("", "no command"),
        ] {
            let unreadable = read(body).unwrap_err().to_string();
            assert!(unreadable.contains(reason), "{body}: {unreadable}");
        }
    }

    #[test]
    fn a_reason_does_not_carry_a_whole_message_back() {
        let body = json!({"command_type": "START", "command_args": ["x".repeat(100_000)]});
        let unreadable = read(&body.to_string()).unwrap_err();
        assert!(unreadable.to_string().len() < 500);
    }
}
