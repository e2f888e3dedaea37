//! One file per row.

mod append;

use anyhow::{Result, bail};

use crate::baseline;
use crate::settings::Settings;
use crate::summary::Summary;

/// The rows of the core, in the order in which they run.
const ROWS: [&str; 1] = ["append"];

/// Runs the rows asked for.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    for name in &settings.rows {
        if !ROWS.contains(&name.as_str()) {
            bail!("no row {name:?}; there are: {}", ROWS.join(", "));
        }
    }
    println!("disk sync: {:.0} µs per write + fdatasync\n", baseline::disk_sync_micros()?);
    let wanted =
        |row: &str| settings.rows.is_empty() || settings.rows.iter().any(|name| name == row);
    if wanted("append") {
        append::run(settings, summary).await?;
    }
    Ok(())
}
