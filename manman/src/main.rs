//! `manman`, the one executable: a subcommand per role, operator verbs, and `up` for all roles in one
//! process. Wires the libraries together and decides nothing.
//!
//! ```text
//! main.rs     which subcommand
//! cli.rs      the command line: subcommands, flags, help
//! process.rs  what every role's process has: settings, database, health, servers, tasks
//! roles.rs    each role: its routers and background tasks
//! verbs/      what is not a role: migrations, OpenAPI documents, up
//! ```

mod cli;
mod process;
mod roles;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};

fn main() -> ExitCode {
    let cli = Cli::parse_from(cli::without_host(std::env::args_os()));
    if let Verb::Supervise { directory } = &cli.verb {
        return worker::supervisor::run(directory);
    }
    let runtime = match cli::runtime(&cli) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let env = cli.settings.env();
    match cli.verb {
        Verb::StartExperienceApi(options) => roles::start_experience_api(&env, &options).await,
        Verb::StartWorkerDalApi(options) => roles::start_worker_dal_api(&env, &options).await,
        Verb::StartStatusApi(options) => roles::start_status_api(&env, &options).await,
        Verb::StartStatusProcessor(options) => roles::start_status_processor(&env, &options).await,
        Verb::StartWorker(options) => roles::start_worker(&options.env(env)).await,
        // Has a runtime of its own, and never comes here.
        Verb::Supervise { .. } => Ok(()),
        Verb::Up(options) => verbs::up::run(&env, &options).await,
        Verb::RunMigration => verbs::migrations::run(&env).await,
        Verb::CreateMigration(options) => verbs::migrations::create(&env, &options),
        Verb::RunDowngrade(options) => verbs::migrations::downgrade(&env, &options).await,
        Verb::Openapi { api } => verbs::openapi::print(api),
    }
}

/// One line with the whole chain of causes: an operator reads it in a pod's last words.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("manman: {error:#}");
    ExitCode::FAILURE
}
