//! `worker_flood`: a game server that prints as fast as it is told to, under an agent, against the same
//! program writing to a file; and how the agent and the supervisor grow meanwhile.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::agent::Run;
use crate::game_host::{GameHost, until};
use crate::process::{cpu_time, memory};
use crate::settings::Settings;
use crate::summary::Summary;

/// Small files, so that the flood rotates them several times.
const FILE_BYTES: u64 = 1_000_000;
/// How many older ones are kept.
const FILES: u64 = 3;
/// By how much a file may be over: what is read at once from the game server's output, and more than that.
const SLACK: u64 = 64 * 1024;

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let (demo, rate) = (settings.demo_server()?, settings.worker.flood_rate.to_string());
    let command = [demo.as_str(), "--tick", "0", "--flood", &rate];
    let duration = Duration::from_secs(settings.worker.flood_seconds);
    let direct = into_a_file(&command, duration).await?;

    let limits = [
        ("MANMAN_WORKER_OUTPUT_FILE_BYTES", &*FILE_BYTES.to_string()),
        ("MANMAN_WORKER_OUTPUT_FILES", &FILES.to_string()),
    ];
    let host = GameHost::start(settings, &limits).await?;
    let config = host.add_config("flood", &command, None).await?;
    host.ask_for_start(config).await?;
    host.until_instances(1, true, "RUNNING").await?;
    let run = host.agent.runs()?.pop().context("no run")?;
    let pids = [host.agent.pid(), run.started.supervisor_pid];
    let before = Look::at(&run, pids).await?;
    sleep(duration).await;
    let after = Look::at(&run, pids).await?;
    let bytes = output_bytes(&run)?;
    host.end().await?;

    let seconds = (after.at - before.at).as_secs_f64();
    let cpu = |index: usize| (after.cpu[index] - before.cpu[index]).as_secs_f64() / seconds * 100.0;
    println!("worker_flood: CPU of the agent {:.1} %, of the supervisor {:.1} %", cpu(0), cpu(1));
    let lines = (after.lines - before.lines) as f64 / seconds;
    let baseline = ("the same program into a file", direct);
    summary.add("worker_flood", lines, "lines/s", baseline, ">= 0.95");
    for (index, row) in ["worker_flood_agent", "worker_flood_supervisor"].iter().enumerate() {
        let baseline = ("itself before these lines", before.resident[index]);
        summary.add(row, after.resident[index], "MB RSS", baseline, "<= 1.1");
    }
    let limit = FILE_BYTES * (FILES + 1);
    let baseline = ("what is configured", limit as f64 / 1e6);
    summary.add("worker_flood_files", bytes as f64 / 1e6, "MB", baseline, "<= 1.1");
    if bytes > limit + SLACK * (FILES + 1) {
        bail!("the output takes {bytes} bytes on disk, and {limit} are configured");
    }
    Ok(())
}

/// What the program can do when nobody is in its way: lines per second.
async fn into_a_file(command: &[&str], duration: Duration) -> Result<f64> {
    let path = std::env::temp_dir().join(format!("manman-bench-{}.out", std::process::id()));
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(File::create(&path)?)
        .kill_on_drop(true)
        .spawn()?;
    let started = Instant::now();
    sleep(duration).await;
    child.kill().await?;
    let seconds = started.elapsed().as_secs_f64();
    let lines = fs::read(&path)?.iter().filter(|byte| **byte == b'\n').count();
    fs::remove_file(path)?;
    Ok(lines as f64 / seconds)
}

/// What there is to see at one moment: of the agent, and of the supervisor.
struct Look {
    at: Instant,
    resident: [f64; 2],
    cpu: [Duration; 2],
    lines: u64,
}

impl Look {
    async fn at(run: &Run, [agent, supervisor]: [i32; 2]) -> Result<Self> {
        Ok(Self {
            resident: [memory(agent)?.resident, memory(supervisor)?.resident],
            cpu: [cpu_time([agent])?, cpu_time([supervisor])?],
            lines: lines(run).await?,
            at: Instant::now(),
        })
    }
}

/// How many lines the game server got rid of, as its supervisor counts them when it has written them. The
/// game server is at most a full pipe ahead.
async fn lines(run: &Run) -> Result<u64> {
    let file = run.directory.join("output.lines");
    let read = async || {
        let text = fs::read_to_string(&file)?;
        // The number twice; different while it is being written over.
        let (first, second) = text.trim().split_once(' ').context("output.lines")?;
        Ok((first == second).then(|| first.parse()).transpose()?)
    };
    until("the number of lines can be read", read).await
}

fn output_bytes(run: &Run) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(&run.directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("output.log") {
            // One that is being rotated away right now is none.
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    Ok(bytes)
}
