//! `projections`: how far read models are, and whether they are what the log says.

mod cancel;
mod diff;
mod rebuild;
mod standing;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use projectors::RebuildError;
use service::config::Env;
use service::shutdown::{self, BySignal};

use crate::operator::ProjectionsVerb;
use crate::process::operator_pool;

/// Found what it looks for: a difference, or something that is behind.
const FOUND: ExitCode = ExitCode::FAILURE;
/// 128 + the number of SIGTERM, of SIGINT.
const TERMINATED: u8 = 143;
const INTERRUPTED: u8 = 130;

/// Carries out an operator's verb.
pub async fn run(env: &Env, verb: ProjectionsVerb) -> Result<ExitCode> {
    let pool = operator_pool(env, "manman projections").await?;
    match verb {
        ProjectionsVerb::List(output) => standing::list(&pool, &output).await,
        ProjectionsVerb::Lag(options) => standing::lag(&pool, &options).await,
        ProjectionsVerb::Verify(options) => verify::run(&pool, options).await,
        ProjectionsVerb::Diff(options) => diff::run(&pool, &options).await,
        ProjectionsVerb::Rebuild(options) => rebuild::begin(pool, options).await,
        ProjectionsVerb::Resume(options) => rebuild::resume(pool, options).await,
        ProjectionsVerb::Cancel(options) => cancel::run(&pool, &options).await,
    }
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
            Ended::Interrupted(interrupted(&signals))
        }
    })
}

fn interrupted(signals: &BySignal) -> ExitCode {
    let status = if signals.terminate.is_cancelled() { TERMINATED } else { INTERRUPTED };
    status.into()
}
