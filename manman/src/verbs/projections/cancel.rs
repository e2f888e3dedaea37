//! `projections cancel`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use projectors::cancel;
use sqlx::PgPool;

use crate::operator::CancelOptions;
use crate::verbs::output::print;

/// Ends rebuilds and drops what they made.
pub async fn run(pool: &PgPool, options: &CancelOptions) -> Result<ExitCode> {
    let projections = options.which.projections();
    let cancelled = cancel(pool, &projections).await?;
    if cancelled.is_empty() {
        if options.which.all {
            bail!("no rebuild is in progress");
        }
        let names: Vec<_> = projections.iter().map(|projection| projection.name).collect();
        bail!("no rebuild of {} is in progress", names.join(", "));
    }
    print(&format!("cancelled: {}; live rows are as they were", cancelled.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}
