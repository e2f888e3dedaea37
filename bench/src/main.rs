//! Measures ManMan and prints ratios: every row against something measured in the same run on the
//! same machine, because machines are noisy and absolute numbers travel badly.
//!
//! ```text
//! main.rs      which rows to run
//! settings.rs  where the throw-away PostgreSQL and RabbitMQ are, how long to measure
//! database.rs  a fresh database per row, migrated or bare
//! baseline.rs  pgbench, disk sync time: what the rows are compared with
//! summary.rs   the table and target/bench/summary.json
//! load.rs      HTTP load over kept-alive connections
//! roles.rs     the executable's roles as processes, as in production
//! rows/        one file per row
//! ```

mod baseline;
mod database;
mod load;
mod roles;
mod rows;
mod settings;
mod summary;

use anyhow::Result;
use clap::Parser;

use crate::settings::Settings;
use crate::summary::Summary;

#[tokio::main]
async fn main() -> Result<()> {
    let settings = Settings::parse();
    let mut summary = Summary::default();
    rows::run(&settings, &mut summary).await?;
    summary.finish(&settings)
}
