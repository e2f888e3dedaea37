//! Measures ManMan and prints ratios: every row against something measured in the same run on the
//! same machine, because machines are noisy and absolute numbers travel badly.
//!
//! ```text
//! main.rs      a run, from its settings to its summary
//! settings.rs  where the throw-away PostgreSQL and RabbitMQ are, how long to measure
//! database.rs  a fresh database per row, migrated or bare
//! baseline.rs  pgbench, disk sync time: what the rows are compared with
//! summary.rs   the table and target/bench/summary.json
//! load.rs      HTTP load over kept-alive connections
//! history/     a log as a fleet writes it
//! rebuild.rs   a rebuild as an operator begins it
//! roles.rs     the executable's roles as processes, as in production
//! game_host.rs an agent with the system it works for
//! agent.rs     the agent's process, and the game servers, which would outlive it
//! process.rs   what the system says of a process: memory, CPU time
//! rows/        one file per measurement
//! ```

mod agent;
mod baseline;
mod database;
mod game_host;
mod history;
mod load;
mod process;
mod rebuild;
mod roles;
mod rows;
mod settings;
mod summary;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::Settings;
use crate::summary::Summary;

#[tokio::main]
async fn main() -> Result<()> {
    let settings = Settings::parse();
    let mut summary = Summary::default();
    // An ordinary end, so that everything started ends too: game servers outlive whoever started them.
    tokio::select! {
        done = rows::run(&settings, &mut summary) => done?,
        told = told_to_stop() => bail!("stopped by {}", told?),
    }
    summary.finish(&settings)
}

async fn told_to_stop() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}
