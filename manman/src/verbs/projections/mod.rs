//! `projections`: how far read models are, and whether they are what the log says.

mod diff;
mod standing;
mod verify;

use std::process::ExitCode;

use anyhow::{Context, Result};
use event_store::migration_state;
use projectors::RebuildError;
use service::config::{DatabaseConfig, Env};
use service::{database, shutdown};
use sqlx::PgPool;

use crate::operator::ProjectionsVerb;
use crate::process::require_migrated;

/// Found what it looks for: a difference, or something that is behind.
const FOUND: ExitCode = ExitCode::FAILURE;
/// 128 + the number of SIGTERM, of SIGINT.
const TERMINATED: u8 = 143;
const INTERRUPTED: u8 = 130;

/// Carries out an operator's verb.
pub async fn run(env: &Env, verb: ProjectionsVerb) -> Result<ExitCode> {
    let pool = connect(env).await?;
    match verb {
        ProjectionsVerb::List(output) => standing::list(&pool, &output).await,
        ProjectionsVerb::Lag(options) => standing::lag(&pool, &options).await,
        ProjectionsVerb::Verify(options) => verify::run(&pool, options).await,
        ProjectionsVerb::Diff(options) => diff::run(&pool, &options).await,
    }
}

async fn connect(env: &Env) -> Result<PgPool> {
    let pool = database::pool(&DatabaseConfig::from_env(env)?, "manman projections")?;
    let state = migration_state(&pool).await.context("the database does not answer")?;
    require_migrated(&state)?;
    Ok(pool)
}

/// What became of work that a signal may end.
enum Ended<T> {
    Done(T),
    Interrupted(ExitCode),
}

/// Works until it is done or SIGINT or SIGTERM comes. What the work had in hand is dropped then, its
/// database session included, and the temporary tables go with that.
async fn interruptible<T>(work: impl Future<Output = Result<T, RebuildError>>) -> Result<Ended<T>> {
    let signals = shutdown::by_signal()?;
    Ok(match signals.either.run_until_cancelled(work).await {
        Some(outcome) => Ended::Done(outcome?),
        None => {
            eprintln!("manman: interrupted; nothing is left behind");
            let status = if signals.terminate.is_cancelled() { TERMINATED } else { INTERRUPTED };
            Ended::Interrupted(status.into())
        }
    })
}
