//! One file per measurement; each prints one row or several that come from the same work.

mod append;
mod heartbeat;
mod http_command;
mod projections_lag;
mod projections_rebuild;
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
    /// From a command's answer until a read shows it
    #[value(name = "visible_lag_p99")]
    VisibleLag,
    /// All read models from position zero, and what reads suffer meanwhile
    ProjectionsRebuild,
    /// From an event's commit until all read models show it
    ProjectionsLag,
    /// All of the projections': projections_…
    Projections,
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
const ALL: [Measurement; 11] = [
    Measurement::Append,
    Measurement::HttpCommand,
    Measurement::Heartbeat,
    Measurement::StatusRead,
    Measurement::VisibleLag,
    Measurement::ProjectionsRebuild,
    Measurement::ProjectionsLag,
    Measurement::WorkerQuiet,
    Measurement::WorkerFlood,
    Measurement::WorkerStartLatency,
    Measurement::WorkerStopParallel,
];

impl Measurement {
    /// The name under which several are asked for.
    const fn group(self) -> Option<Self> {
        match self {
            Self::ProjectionsRebuild | Self::ProjectionsLag => Some(Self::Projections),
            Self::WorkerQuiet
            | Self::WorkerFlood
            | Self::WorkerStartLatency
            | Self::WorkerStopParallel => Some(Self::Worker),
            Self::Append
            | Self::HttpCommand
            | Self::Heartbeat
            | Self::StatusRead
            | Self::VisibleLag
            | Self::Projections
            | Self::Worker => None,
        }
    }

    fn is_asked_for(self, asked: &[Self]) -> bool {
        asked.is_empty()
            || asked.contains(&self)
            || self.group().is_some_and(|group| asked.contains(&group))
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
            Measurement::VisibleLag => visible_lag::run(settings, summary).await?,
            Measurement::ProjectionsRebuild => projections_rebuild::run(settings, summary).await?,
            Measurement::ProjectionsLag => projections_lag::run(settings, summary).await?,
            Measurement::WorkerQuiet => worker_quiet::run(settings, summary).await?,
            Measurement::WorkerFlood => worker_flood::run(settings, summary).await?,
            Measurement::WorkerStartLatency => worker_start_latency::run(settings, summary).await?,
            Measurement::WorkerStopParallel => worker_stop_parallel::run(settings, summary).await?,
            Measurement::Projections | Measurement::Worker => {}
        }
    }
    Ok(())
}
