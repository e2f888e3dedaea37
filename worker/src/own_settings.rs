//! The agent's own settings, which no program that it starts is to see: the broker's password is among them. All else of
//! its environment is handed on, as v1's worker does.

use tokio::process::Command;

const OURS: [&str; 2] = ["MANMAN_", "RABBITMQ_"];

/// Takes them out of what a command hands on.
pub(crate) fn hide(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OURS.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}
