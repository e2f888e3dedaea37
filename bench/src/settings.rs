//! Where and how long to measure. `./dev bench` sets the variables.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};

use crate::rows::Measurement;

/// Measures ManMan against baselines of the same run.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
pub struct Settings {
    /// What to measure; everything when nothing is named.
    #[arg(value_name = "NAME")]
    pub measurements: Vec<Measurement>,
    /// An administrator's URL of a throw-away PostgreSQL: databases are created and dropped there.
    #[arg(long, env = "MANMAN_BENCH_POSTGRES_URL")]
    pub postgres_url: String,
    /// A throw-away RabbitMQ.
    #[arg(long, env = "MANMAN_BENCH_AMQP_URL")]
    pub amqp_url: String,
    /// The `manman` executable whose roles are started as processes.
    #[arg(long, env = "MANMAN_BIN")]
    pub manman: PathBuf,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 6)]
    pub seconds: u64,
    /// Events on the log of `projections_rebuild`.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(i64).range(1..))]
    pub events: i64,
    /// Where summary.json goes.
    #[arg(long, default_value = "target/bench")]
    pub output: PathBuf,
    /// What only the agent's measurements need.
    #[command(flatten)]
    pub worker: WorkerSettings,
}

/// How much is asked of the agent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Of the agent's measurements")]
pub struct WorkerSettings {
    /// Game servers of `worker_quiet`.
    #[arg(long, default_value_t = 200)]
    pub servers: usize,
    /// Seconds over which `worker_quiet` takes its CPU time, with servers and without.
    #[arg(long, default_value_t = 20)]
    pub quiet_seconds: u64,
    /// Lines a second of `worker_flood`.
    #[arg(long, default_value_t = 100_000)]
    pub flood_rate: u32,
    /// Seconds of flood, under the agent and into a file.
    #[arg(long, default_value_t = 10)]
    pub flood_seconds: u64,
    /// Starts of `worker_start_latency`, one after the other.
    #[arg(long, default_value_t = 100)]
    pub starts: usize,
    /// Game servers that `worker_stop_parallel` stops at once.
    #[arg(long, default_value_t = 50)]
    pub stops: usize,
}

impl Settings {
    /// How long each measurement runs.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
    /// The demo game server, which is built beside the executable.
    pub fn demo_server(&self) -> Result<String> {
        let path = std::path::absolute(self.manman.with_file_name("demo-server"))?;
        if !path.exists() {
            bail!("there is no {}; ./dev bench builds it", path.display());
        }
        path.into_os_string().into_string().ok().context("the executable's path is not UTF-8")
    }
}
