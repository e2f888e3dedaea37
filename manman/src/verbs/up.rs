//! `up`: every role in one process.

use std::time::Duration;

use anyhow::Result;
use event_store::{EventStore, LogOptions};
use service::config::Env;

use crate::cli::{Api, UpOptions};
use crate::process::Process;
use crate::roles::{self, Apis};
use crate::verbs::demo;

/// Runs everything until it is told to stop; prints `ready` and what to try once all of it is.
pub async fn run(env: &Env, options: &UpOptions) -> Result<()> {
    let mut process = Process::start(env, "manman up", true).await?;
    let store = EventStore::start(process.pool.clone(), LogOptions::default());
    let apis = Apis::start(store.clone(), &process.pool, process.replica());
    for (api, port) in [
        (Api::Experience, options.experience_port),
        (Api::WorkerDal, options.worker_dal_port),
        (Api::Status, options.status_port),
    ] {
        let router = apis.router(api)?.merge(process.health_router());
        process.add_server(port, router).await?;
    }
    process.add_server(options.processor_port, process.health_router()).await?;
    roles::worker_dal_tasks(&process, &apis)?;
    roles::processor_tasks(&process, &store)?;
    process.serve();

    let shutdown = process.tasks.shutdown();
    let offer = async {
        ready(&process).await;
        offer(&store, options).await
    };
    if let Some(lines) = shutdown.run_until_cancelled(offer).await {
        println!("{}\n\n{lines}\n\nCtrl-C stops.", addresses(options));
    }
    process.finish().await
}

/// What to try. Without the demo, as in a database of somebody's own that has another game server of this name,
/// everything runs all the same.
async fn offer(store: &EventStore, options: &UpOptions) -> String {
    if !options.demo {
        return try_as_v1(options);
    }
    match demo::add(store).await {
        Ok(config_id) => demo::try_this(options, config_id),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "going on without the demo");
            try_as_v1(options)
        }
    }
}

async fn ready(process: &Process) {
    while !process.health.failing().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn addresses(options: &UpOptions) -> String {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    format!(
        "ready

  Experience API  {}/docs     users and bots
  Worker DAL API  {}/docs     workers
  Status API      {}/docs     dashboards
  processor       {}/readyz   its health",
        url(options.experience_port),
        url(options.worker_dal_port),
        url(options.status_port),
        url(options.processor_port),
    )
}

/// What to try without an agent: one's own hands as a v1 worker.
fn try_as_v1(options: &UpOptions) -> String {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (experience, dal, status) =
        (url(options.experience_port), url(options.worker_dal_port), url(options.status_port));
    let json = "-H 'Content-Type: application/json'";
    format!(
        "Try this (each line works by itself, in this order):

  # what can be started
  curl -fsS {experience}/gameserver
  # a worker registers, as today's agents do, and becomes the current one
  curl -fsS -X POST {dal}/worker/create
  curl -fsS {experience}/worker/current
  # it shows a sign of life; stop sending them and it is LOST
  curl -fsS -X POST {dal}/worker/heartbeat {json} -d \"$(curl -fsS {experience}/worker/current)\"
  # a user asks for config 1, and writes to its console; say who you are and why, it is kept
  curl -fsS -X POST {experience}/gameserver/1/start -H 'Manman-Actor: anna' -H 'Manman-Reason: trying it out'
  curl -fsS -X POST {experience}/gameserver/1/stdin {json} -d '{{\"commands\":[\"changelevel de_nuke\"]}}'
  # what dashboards see: workers with their requests, configs, the whole system
  curl -fsS {status}/status/workers
  curl -fsS {status}/status/servers
  curl -fsS {status}/status/system
  # the worker says goodbye
  curl -fsS -X PUT {dal}/worker/shutdown {json} -d \"$(curl -fsS {experience}/worker/current)\""
    )
}
