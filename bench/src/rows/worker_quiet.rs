//! `worker_quiet`: what an agent takes that holds many game servers which have nothing to say, against the
//! same agent with none; and what their supervisors take, against the game servers.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::agent::Run;
use crate::game_host::GameHost;
use crate::process::{Memory, cpu_time, memory};
use crate::settings::Settings;
use crate::summary::Summary;

/// After a start everything is told once: three heartbeats, and the list of commands once more.
const SETTLE: Duration = Duration::from_secs(6);

/// Measures all of it in one run, on one agent.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let servers = settings.worker.servers;
    let demo = settings.demo_server()?;
    let host = GameHost::start(settings, &[]).await?;
    let agent = host.agent.pid();
    sleep(SETTLE).await;
    let alone = memory(agent)?;
    let [alone_cpu] = cpu_percent(settings, [&[agent]]).await?;

    let started = Instant::now();
    for number in 1..=servers {
        let command = [demo.as_str(), "--tick", "60"];
        let config = host.add_config(&format!("quiet {number}"), &command, None).await?;
        host.ask_for_start(config).await?;
    }
    host.until_instances(servers, true, "RUNNING").await?;
    host.until_no_command_is_pending().await?;
    println!("worker_quiet: {servers} servers run after {:.1} s", started.elapsed().as_secs_f64());
    sleep(SETTLE).await;

    let runs = host.agent.runs()?;
    let supervisors: Vec<_> = runs.iter().map(|run| run.started.supervisor_pid).collect();
    let [cpu, supervisors_cpu] = cpu_percent(settings, [&[agent], &supervisors]).await?;
    let holding = memory(agent)?;
    if host.agent.runs()?.iter().filter(|run| run.is_running()).count() != servers {
        bail!("not all {servers} game servers run any more");
    }
    println!("worker_quiet: the agent {}, with no server {}", words(holding), words(alone));
    println!(
        "worker_quiet: CPU of the agent {cpu:.2} %, with no server {alone_cpu:.2} %; of all \
         {servers} supervisors {supervisors_cpu:.2} %"
    );
    print_supervisors(&runs)?;
    let games = sum(&runs, |run| run.started.pid)?;
    let beside = sum(&runs, |run| run.started.supervisor_pid)?;
    host.end().await?;
    summary.add(
        "worker_memory",
        holding.resident,
        "MB RSS",
        ("the same agent with no server", alone.resident),
        "<= 100 MB",
    );
    summary.add(
        "worker_supervisors",
        beside.proportional,
        "MB PSS",
        ("their game servers together", games.proportional),
        "none, for information",
    );
    summary.add("worker_cpu", cpu, "% of a core", ("a whole core", 100.0), "<= 10 %");
    Ok(())
}

/// The CPU time that each of these groups takes per second, measured at the same time.
async fn cpu_percent<const N: usize>(settings: &Settings, groups: [&[i32]; N]) -> Result<[f64; N]> {
    let taken = || -> Result<Vec<Duration>> {
        groups.iter().map(|pids| cpu_time(pids.iter().copied())).collect()
    };
    let (before, started) = (taken()?, Instant::now());
    sleep(Duration::from_secs(settings.worker.quiet_seconds)).await;
    let (after, seconds) = (taken()?, started.elapsed().as_secs_f64());
    let mut percent = [0.0; N];
    for (index, percent) in percent.iter_mut().enumerate() {
        *percent = (after[index] - before[index]).as_secs_f64() / seconds * 100.0;
    }
    Ok(percent)
}

fn print_supervisors(runs: &[Run]) -> Result<()> {
    let all = sum(runs, |run| run.started.supervisor_pid)?;
    let count = runs.len() as f64;
    println!(
        "worker_quiet: a supervisor {:.2} MB private ({:.1} MB RSS); all {count} together {:.1} MB PSS",
        all.private / count,
        all.resident / count,
        all.proportional
    );
    Ok(())
}

fn sum(runs: &[Run], pid: impl Fn(&Run) -> i32) -> Result<Memory> {
    let mut sum = Memory::default();
    for run in runs {
        let one = memory(pid(run))?;
        sum.resident += one.resident;
        sum.proportional += one.proportional;
        sum.private += one.private;
    }
    Ok(sum)
}

fn words(memory: Memory) -> String {
    let Memory { resident, proportional, private } = memory;
    format!("{resident:.1} MB RSS, {proportional:.1} PSS, {private:.1} private")
}
