//! `manman`, the one executable: a subcommand per role, operator verbs, and `up` for all roles in one
//! process. Wires the libraries together and decides nothing.
//!
//! ```text
//! main.rs     which subcommand
//! cli.rs      the command line: subcommands, flags, help
//! operator/   the same for operators' verbs
//! process.rs  what every role's process has: settings, database, health, servers, tasks
//! roles.rs    each role: its routers and background tasks
//! verbs/      what is not a role: migrations, OpenAPI documents, operators' verbs, up
//! ```

mod cli;
mod operator;
mod process;
mod progress;
mod roles;
mod verbs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};

fn main() -> ExitCode {
    if let Some(directory) = supervised() {
        return worker::supervisor::run(&directory);
    }
    if let Err(error) = crash_points::arm() {
        return fail(&error.into());
    }
    let cli = Cli::parse_from(cli::without_host(std::env::args_os()));
    let runtime = match cli::runtime(&cli) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(status) => status,
        Err(error) => fail(&error),
    }
}

/// The run that this process is to stand beside. There may be hundreds of these on a host: what reads the command line
/// for people would double the memory of each.
fn supervised() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip(1);
    let is_it = arguments.next().is_some_and(|verb| verb == cli::SUPERVISE);
    let directory = arguments.next().filter(|_| is_it)?;
    (!directory.to_string_lossy().starts_with('-')).then(|| directory.into())
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let env = cli.settings.env();
    match cli.verb {
        Verb::Projections(verb) => return verbs::projections::run(&env, verb).await,
        Verb::StartExperienceApi(options) => roles::start_experience_api(&env, &options).await,
        Verb::StartWorkerDalApi(options) => roles::start_worker_dal_api(&env, &options).await,
        Verb::StartStatusApi(options) => roles::start_status_api(&env, &options).await,
        Verb::StartStatusProcessor(options) => roles::start_status_processor(&env, &options).await,
        Verb::StartWorker(options) => roles::start_worker(&options.env(env)).await,
        // Is a process without this runtime.
        Verb::Supervise { .. } => anyhow::bail!("supervise takes the directory of a run"),
        Verb::Up(options) => verbs::up::run(&env, &options).await,
        Verb::RunMigration => verbs::migrations::run(&env).await,
        Verb::CreateMigration(options) => verbs::migrations::create(&env, &options),
        Verb::RunDowngrade(options) => verbs::migrations::downgrade(&env, &options).await,
        Verb::DeadLetters(verb) => verbs::dead_letters::run(&env, verb).await,
        Verb::Openapi { api } => verbs::openapi::print(api),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// One line with the whole chain of causes: an operator reads it in a pod's last words.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("manman: {error:#}");
    ExitCode::FAILURE
}
