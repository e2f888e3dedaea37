//! What there is not: the codes of native reads.

use service::problem::Problem;

pub(super) fn worker_not_found() -> Problem {
    Problem::not_found("worker_not_found", "There is no such worker.")
}

pub(super) fn command_not_found() -> Problem {
    Problem::not_found("command_not_found", "There is no such command.")
}

pub(super) fn instance_not_found() -> Problem {
    Problem::not_found("game_server_instance_not_found", "There is no such instance.")
}

pub(super) fn output_not_found() -> Problem {
    Problem::not_found("output_not_found", "Nobody told of any output of such an instance yet.")
}

pub(super) fn config_not_found() -> Problem {
    Problem::not_found("game_server_config_not_found", "There is no such config.")
}

pub(super) fn game_server_not_found() -> Problem {
    Problem::not_found("game_server_not_found", "There is no such game server.")
}
