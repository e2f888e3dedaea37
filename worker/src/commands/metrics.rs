//! The metrics of what is asked.

use ::metrics::describe_counter;

/// Counter, labels `kind` (`start`, `stop`, `stdin`, `shutdown`, `unreadable`) and `outcome` (`fulfilled`, `refused`,
/// `failed`, `dropped`): commands that were brought to an end. `dropped` ones come again.
pub const COMMANDS: &str = "manman_worker_commands_total";
/// Counter: messages that asked for something known already.
pub const DUPLICATES: &str = "manman_worker_command_duplicates_total";
/// Counter: commands of which the journal could not be written; they are kept in memory.
pub const JOURNAL_FAILURES: &str = "manman_worker_command_journal_failures_total";

/// Gives the recorder help texts; call once, after it is installed.
pub fn describe() {
    describe_counter!(COMMANDS, "Commands to this agent, by what became of them");
    describe_counter!(DUPLICATES, "Messages that asked for something known already");
    describe_counter!(JOURNAL_FAILURES, "Failures to write down what is asked of this agent");
}
