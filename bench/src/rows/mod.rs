//! One file per measurement; each prints one row or several that come from the same work.

mod append;
mod heartbeat;
mod http_command;
mod replay;
mod status_read;
mod visible_lag;
mod worker_flood;
mod worker_quiet;
mod worker_start_latency;
mod worker_stop_parallel;

use anyhow::Result;
use clap::ValueEnum;

use crate::baseline;
use crate::settings::Settings;
use crate::summary::Summary;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Measurement {
    /// Commands through the store, durable
    Append,
    /// Commands over HTTP, durable
    HttpCommand,
    /// Heartbeats over HTTP, and the writes they take
    Heartbeat,
    /// Reads of a worker's status over HTTP
    StatusRead,
    /// All read models from zero
    Replay,
    /// From a command's answer until a read shows it
    #[value(name = "visible_lag_p99")]
    VisibleLag,
    /// Memory and CPU of an agent whose game servers are quiet
    WorkerQuiet,
    /// A game server that floods its output
    WorkerFlood,
    /// From a START on the broker until the process runs
    WorkerStartLatency,
    /// Many game servers stopped at once
    WorkerStopParallel,
    /// All of the agent's: worker_…
    Worker,
}

/// In the order in which they run.
const ALL: [Measurement; 10] = [
    Measurement::Append,
    Measurement::HttpCommand,
    Measurement::Heartbeat,
    Measurement::StatusRead,
    Measurement::Replay,
    Measurement::VisibleLag,
    Measurement::WorkerQuiet,
    Measurement::WorkerFlood,
    Measurement::WorkerStartLatency,
    Measurement::WorkerStopParallel,
];

impl Measurement {
    const fn is_of_the_agent(self) -> bool {
        matches!(
            self,
            Self::WorkerQuiet
                | Self::WorkerFlood
                | Self::WorkerStartLatency
                | Self::WorkerStopParallel
        )
    }

    fn is_asked_for(self, asked: &[Self]) -> bool {
        asked.is_empty()
            || asked.contains(&self)
            || (self.is_of_the_agent() && asked.contains(&Self::Worker))
    }
}

/// Measures what was asked for.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    println!("disk sync: {:.0} µs per write + fdatasync\n", baseline::disk_sync_micros()?);
    for measurement in ALL {
        if !measurement.is_asked_for(&settings.measurements) {
            continue;
        }
        match measurement {
            Measurement::Append => append::run(settings, summary).await?,
            Measurement::HttpCommand => http_command::run(settings, summary).await?,
            Measurement::Heartbeat => heartbeat::run(settings, summary).await?,
            Measurement::StatusRead => status_read::run(settings, summary).await?,
            Measurement::Replay => replay::run(settings, summary).await?,
            Measurement::VisibleLag => visible_lag::run(settings, summary).await?,
            Measurement::WorkerQuiet => worker_quiet::run(settings, summary).await?,
            Measurement::WorkerFlood => worker_flood::run(settings, summary).await?,
            Measurement::WorkerStartLatency => worker_start_latency::run(settings, summary).await?,
            Measurement::WorkerStopParallel => worker_stop_parallel::run(settings, summary).await?,
            Measurement::Worker => {}
        }
    }
    Ok(())
}
