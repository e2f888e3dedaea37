//! `visible_lag_p99`: at 1,000 commands a second, from a command's answer until a read shows it; against
//! the time the commands themselves take in the same run. All roles run, each as its own process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::Mutex;

use crate::database::Database;
use crate::load::{Client, percentile, request};
use crate::roles::Role;
use crate::settings::Settings;
use crate::summary::Summary;

const PER_SECOND: u32 = 1_000;
const CONNECTIONS: u32 = 50;
/// Every so many commands one is followed until a read shows it.
const FOLLOWED: u64 = 10;
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Samples {
    commands: Vec<f64>,
    lags: Vec<f64>,
}

impl Samples {
    fn add(&mut self, (command, lag): (f64, Option<f64>)) {
        self.commands.push(command);
        self.lags.extend(lag);
    }
}

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let database = Database::migrated(settings).await?;
    let commands = Role::start(settings, &database, "start-worker-dal-api").await?;
    let reads = Role::start(settings, &database, "start-worker-dal-api").await?;
    let processor = Role::start(settings, &database, "start-status-processor").await?;
    let mut client = Client::connect(&commands.address).await?;
    let worker = client.post("/worker/create", "").await?.json()?["worker_id"].clone();

    let samples = Arc::new(Mutex::new(Samples::default()));
    // Connections are opened first: what that takes is not what is measured.
    let started = Instant::now() + WARM_UP;
    let end = started + settings.duration();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let samples = Arc::clone(&samples);
            let (to, from) = (commands.address.clone(), reads.address.clone());
            let body = format!(r#"{{"game_server_config_id":1,"worker_id":{worker}}}"#);
            tokio::spawn(async move {
                let mut writer = Client::connect(&to).await?;
                let mut reader = Client::connect(&from).await?;
                // Spread evenly, and on time whatever the answers take: an open loop.
                let period = Duration::from_secs(1) * CONNECTIONS / PER_SECOND;
                let mut ticks = tokio::time::interval_at(
                    tokio::time::Instant::now() + period * number / CONNECTIONS,
                    period,
                );
                for sent in 0.. {
                    ticks.tick().await;
                    if Instant::now() > end {
                        break;
                    }
                    let is_followed = sent % FOLLOWED == 0;
                    let sample = follow(&mut writer, &mut reader, &body, is_followed).await?;
                    if Instant::now() > started {
                        samples.lock().await.add(sample);
                    }
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let mut samples = samples.lock().await;
    let rate = samples.commands.len() as f64 / started.elapsed().as_secs_f64();
    println!("visible_lag_p99: {rate:.0} commands/s, {} of them followed", samples.lags.len());
    let lag = percentile(&mut samples.lags, 0.99);
    let command = percentile(&mut samples.commands, 0.99);
    for role in [commands, reads, processor] {
        role.stop().await?;
    }
    database.drop().await?;
    summary.add("visible_lag_p99", lag, "ms", ("the command itself, p99", command), "<= 50 ms");
    Ok(())
}

/// One command, and for some of them the read that demands its position: how long each took.
async fn follow(
    writer: &mut Client,
    reader: &mut Client,
    body: &str,
    is_followed: bool,
) -> Result<(f64, Option<f64>)> {
    let asked = Instant::now();
    let answer = writer.post("/server/instance/create", body).await?;
    let answered = Instant::now();
    if answer.status != 200 {
        bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    let command = (answered - asked).as_secs_f64() * 1e3;
    if !is_followed {
        return Ok((command, None));
    }
    let position = answer.header("manman-position").context("no Manman-Position")?;
    let instance = &answer.json()?["game_server_instance_id"];
    let demand = format!("Manman-Min-Position: {position}\r\n");
    let path = format!("/server/instance/{instance}");
    let shown = reader.send(request("GET", &path, "bench", &demand, "").as_bytes()).await?;
    if shown.status != 200 || shown.json()?["game_server_instance_id"] != *instance {
        bail!("{}: {}", shown.status, String::from_utf8_lossy(&shown.body));
    }
    Ok((command, Some(answered.elapsed().as_secs_f64() * 1e3)))
}
