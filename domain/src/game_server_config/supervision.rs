//! How a game server's process is stopped, and when it is started again.

use serde::{Deserialize, Serialize};

use crate::text::has_control;

use super::event::GameServerConfigEvent;
use super::refusal::ConfigRefusal;

/// The longest grace a process may be given, in seconds. It counts twice, after the stop line and after
/// SIGTERM, and a request to stop times out after 300 s.
const LONGEST_GRACE: i32 = 120;
/// The most restarts within one window.
const MOST_RESTARTS: i32 = 1_000;
/// The longest window, in seconds: a day.
const LONGEST_WINDOW: i32 = 86_400;

/// When a game server that ended by itself is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Never, as in v1.
    #[default]
    Never,
    /// When it crashed.
    OnFailure,
    /// However it ended.
    Always,
}

impl RestartPolicy {
    /// The word in read models and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on_failure",
            Self::Always => "always",
        }
    }
}

/// How a game server's process is stopped, and when it is started again. v1 workers do not know it.
///
/// The default is what v1 does, and a grace. The read model has it as its columns' defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// A console line that asks the game server to end; without one it gets SIGTERM at once.
    pub stop_line: Option<String>,
    /// How long it may take to end after the stop line, and again after SIGTERM, before it is killed, in
    /// seconds: 0 to 120.
    pub stop_grace_seconds: i32,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// How many restarts are made within the window before it stays down: 0 to 1,000.
    pub restart_limit: i32,
    /// The window, in seconds: 1 to 86,400.
    pub restart_window_seconds: i32,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            stop_line: None,
            stop_grace_seconds: 10,
            restart: RestartPolicy::Never,
            restart_limit: 5,
            restart_window_seconds: 600,
        }
    }
}

impl Supervision {
    pub(super) fn set(self) -> GameServerConfigEvent {
        GameServerConfigEvent::SupervisionSet {
            stop_line: self.stop_line,
            stop_grace_seconds: self.stop_grace_seconds,
            restart: self.restart,
            restart_limit: self.restart_limit,
            restart_window_seconds: self.restart_window_seconds,
        }
    }

    pub(super) fn require_sound(&self) -> Result<(), ConfigRefusal> {
        if self.stop_line.as_deref().is_some_and(has_control) {
            return Err(ConfigRefusal::ControlCharacters { field: "stop line" });
        }
        require_within("stop grace in seconds", self.stop_grace_seconds, (0, LONGEST_GRACE))?;
        require_within("restart limit", self.restart_limit, (0, MOST_RESTARTS))?;
        require_within(
            "restart window in seconds",
            self.restart_window_seconds,
            (1, LONGEST_WINDOW),
        )
    }
}

fn require_within(
    field: &'static str,
    value: i32,
    (least, most): (i32, i32),
) -> Result<(), ConfigRefusal> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigRefusal::OutOfRange { field, value, least, most })
    }
}
