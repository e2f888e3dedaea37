//! One file per row.

mod append;
mod heartbeat;
mod http_command;
mod replay;
mod status_read;
mod visible_lag;

use anyhow::{Result, bail};

use crate::baseline;
use crate::settings::Settings;
use crate::summary::Summary;

/// The rows of the core, in the order in which they run.
const ROWS: [&str; 6] =
    ["append", "http_command", "heartbeat", "status_read", "replay", "visible_lag_p99"];

/// Runs the rows asked for.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    for name in &settings.rows {
        if !ROWS.contains(&name.as_str()) {
            bail!("no row {name:?}; there are: {}", ROWS.join(", "));
        }
    }
    println!("disk sync: {:.0} µs per write + fdatasync\n", baseline::disk_sync_micros()?);
    for row in ROWS {
        if !settings.rows.is_empty() && !settings.rows.iter().any(|name| name == row) {
            continue;
        }
        match row {
            "append" => append::run(settings, summary).await?,
            "http_command" => http_command::run(settings, summary).await?,
            "heartbeat" => heartbeat::run(settings, summary).await?,
            "status_read" => status_read::run(settings, summary).await?,
            "replay" => replay::run(settings, summary).await?,
            _ => visible_lag::run(settings, summary).await?,
        }
    }
    Ok(())
}
