//! Where and how long to measure. `./dev bench` sets the variables.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures ManMan against baselines of the same run.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
pub struct Settings {
    /// Rows to run; all when none is named.
    #[arg(value_name = "NAME")]
    pub rows: Vec<String>,
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
    /// Events on the log for the replay row.
    #[arg(long, default_value_t = 500_000)]
    pub events: i64,
    /// Where summary.json goes.
    #[arg(long, default_value = "target/bench")]
    pub output: PathBuf,
}

impl Settings {
    /// How long each measurement runs.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
