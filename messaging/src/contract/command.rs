//! Commands to workers.

use serde::{Deserialize, Serialize};

use super::CommandType;

/// A command to a worker. A v1 worker dies on a body it cannot read, so commands are made through
/// the constructors; whether the config exists and the text is one a worker survives is checked
/// by whoever accepts the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What to do.
    pub command_type: CommandType,
    /// Strings even where they are numbers; may be left out on the wire when empty.
    #[serde(default)]
    pub command_args: Vec<String>,
}

impl Command {
    /// Create and run an instance of a config.
    #[must_use]
    pub fn start(config_id: i32) -> Self {
        Self { command_type: CommandType::Start, command_args: vec![config_id.to_string()] }
    }

    /// Stop the instances of a config.
    #[must_use]
    pub fn stop(config_id: i32) -> Self {
        Self { command_type: CommandType::Stop, command_args: vec![config_id.to_string()] }
    }

    /// Stop every instance and then the worker itself.
    #[must_use]
    pub fn shut_down() -> Self {
        Self { command_type: CommandType::Stop, command_args: Vec::new() }
    }

    /// Write words, joined by single blanks, as one line to the instance of a config.
    #[must_use]
    pub fn stdin(config_id: i32, words: impl IntoIterator<Item = String>) -> Self {
        Self {
            command_type: CommandType::Stdin,
            command_args: std::iter::once(config_id.to_string()).chain(words).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(command: &Command) -> String {
        serde_json::to_string(command).unwrap()
    }

    #[test]
    fn commands_are_written_as_v1_workers_read_them() {
        assert_eq!(wire(&Command::start(1)), r#"{"command_type":"START","command_args":["1"]}"#);
        assert_eq!(wire(&Command::stop(2)), r#"{"command_type":"STOP","command_args":["2"]}"#);
        assert_eq!(wire(&Command::shut_down()), r#"{"command_type":"STOP","command_args":[]}"#);
        assert_eq!(
            wire(&Command::stdin(1, ["changelevel de_nuke".to_owned()])),
            r#"{"command_type":"STDIN","command_args":["1","changelevel de_nuke"]}"#
        );
    }

    #[test]
    fn arguments_may_be_left_out_and_unknown_keys_are_ignored() {
        let command: Command =
            serde_json::from_str(r#"{"command_type":"STOP","sent_by":"a later version"}"#).unwrap();
        assert_eq!(command, Command::shut_down());
    }
}
