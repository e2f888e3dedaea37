//! `worker_stop_parallel`: many game servers stopped at once, each of which takes its time to end, against one.

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use messaging::contract::Command;
use serde_json::json;

use crate::agent::Run;
use crate::game_host::{GameHost, until};
use crate::load::percentile;
use crate::settings::Settings;
use crate::summary::Summary;

/// A game server that saves its world for 200 ms when it is told to quit.
const SERVER: [&str; 3] = ["/bin/sh", "-c", "echo ready; read line; exec sleep 0.2"];
const STOP_LINE: &str = "quit";
/// How often one is stopped alone.
const ALONE: usize = 5;

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let count = settings.worker.stops;
    let mut host = GameHost::start(settings, &[]).await?;
    let mut configs = Vec::new();
    for number in 1..=count {
        configs.push(host.add_config(&format!("stop {number}"), &SERVER, Some(STOP_LINE)).await?);
    }
    let mut alone = Vec::new();
    for config in configs.iter().take(ALONE) {
        alone.push(stop(&mut host, &[*config]).await?);
        host.until_instances(alone.len(), false, "COMPLETE").await?;
    }
    let together = stop(&mut host, &configs).await?;
    host.end().await?;
    let baseline = ("one of them alone, median", percentile(&mut alone, 0.5));
    summary.add("worker_stop_parallel", together, "ms", baseline, &format!("far below {count}"));
    Ok(())
}

/// Starts these, and stops them with all commands sent at once: milliseconds until the last one has ended.
async fn stop(host: &mut GameHost, configs: &[i32]) -> Result<f64> {
    let began = Utc::now();
    for config in configs {
        host.ask_for_start(*config).await?;
    }
    host.until_instances(configs.len(), true, "RUNNING").await?;
    host.until_no_command_is_pending().await?;
    let stops: Vec<_> = configs.iter().map(|config| Command::stop(*config)).collect();
    let asked = Utc::now();
    host.publish(&stops).await?;
    let ended = async || {
        let mut runs = host.agent.runs()?;
        runs.retain(|run| run.started.at >= began);
        let ends = runs.iter().map(end).collect::<Result<Option<Vec<_>>>>()?;
        Ok(ends.filter(|ends| ends.len() == configs.len()))
    };
    let ends: Vec<DateTime<Utc>> = until("all game servers have ended", ended).await?;
    let last = ends.into_iter().max().unwrap_or(asked);
    Ok((last - asked).num_microseconds().unwrap_or(i64::MAX) as f64 / 1e3)
}

/// When it ended, as the stop line has it end and no signal.
fn end(run: &Run) -> Result<Option<DateTime<Utc>>> {
    match &run.ending {
        Some(ending) if ending.how == json!({"exited": {"code": 0}}) => Ok(Some(ending.at)),
        Some(ending) => bail!("a game server did not end by its stop line: {}", ending.how),
        None => Ok(None),
    }
}
