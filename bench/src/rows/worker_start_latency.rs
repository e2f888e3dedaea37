//! `worker_start_latency`: from a START command on its way to the broker until the process runs, one start after the
//! other, against starting the same program without anybody in between.

use std::process::Stdio;

use anyhow::{Context, Result};
use chrono::Utc;
use messaging::contract::Command;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

use crate::game_host::{GameHost, until};
use crate::load::percentile;
use crate::settings::Settings;
use crate::summary::Summary;

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let demo = settings.demo_server()?;
    let mut host = GameHost::start(settings, &[]).await?;
    let config = host.add_config("start", &[&demo, "--tick", "60"], None).await?;
    let mut direct = Vec::new();
    let mut commanded = Vec::new();
    // The first one is a warm-up.
    for number in 0..=settings.worker.starts {
        let direct_start = start_directly(&demo).await?;
        let commanded_start = start_by_command(&mut host, config).await?;
        host.publish(&[Command::stop(config)]).await?;
        // Then the agent is done with it, and the next start meets nothing of this one.
        host.until_instances(number + 1, false, "COMPLETE").await?;
        if number > 0 {
            direct.push(direct_start);
            commanded.push(commanded_start);
        }
    }
    host.end().await?;
    for (row, share, baseline, target) in [
        ("worker_start_latency", 0.5, "the program started directly, p50", "<= 50 ms"),
        ("worker_start_p99", 0.99, "the program started directly, p99", "(p50 <= 50 ms)"),
    ] {
        let baseline = (baseline, percentile(&mut direct, share));
        summary.add(row, percentile(&mut commanded, share), "ms", baseline, target);
    }
    Ok(())
}

/// How long it takes until the supervisor has the process, by this machine's clock, in milliseconds.
async fn start_by_command(host: &mut GameHost, config: i32) -> Result<f64> {
    let asked = Utc::now();
    host.publish(&[Command::start(config)]).await?;
    let running = async || {
        let runs = host.agent.runs()?;
        Ok(runs.into_iter().find(|run| run.started.at >= asked))
    };
    let run = until("the game server runs", running).await?;
    let took = run.started.at - asked;
    Ok(took.num_microseconds().context("a start that took too long")? as f64 / 1e3)
}

/// How long it takes until the program prints its first line, in milliseconds.
async fn start_directly(demo: &str) -> Result<f64> {
    let asked = Instant::now();
    let mut child = tokio::process::Command::new(demo)
        .args(["--tick", "60"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    output.read_line(&mut String::new()).await?;
    let took = asked.elapsed().as_secs_f64() * 1e3;
    child.kill().await?;
    Ok(took)
}
