//! Each role: its routers and background tasks. `up` starts them all in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::middleware::from_fn_with_state;
use command_api::heartbeats::written_before_reads;
use command_api::{CommandApi, Heartbeats, RequestTimeouts};
use event_store::{EventStore, LogOptions};
use messaging::{Broker, BrokerConfig, Publisher, Topology};
use projectors::{Intake, Liveness, LivenessConfig, PieceStatus, Projectors, Relay};
use query_api::{Freshness, QueryApi};
use service::config::{Env, LogConfig};
use service::health::Health;
use service::http::{Limits, listen, serve};
use service::telemetry::Metrics;
use service::{docs, prefixes, shutdown, telemetry};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use worker::config::AgentConfig;

use crate::cli::{Api, ApiOptions};
use crate::process::{Process, broker_config};
use crate::progress;

/// How soon a consumer of reports that fell silent is replaced: after twice this.
const INTAKE_HEARTBEAT_SECONDS: u16 = 5;
/// How long to wait before declaring the topology is tried again.
const DECLARE_AGAIN: Duration = Duration::from_secs(1);

/// What the APIs of one process share.
pub struct Apis {
    commands: Arc<CommandApi>,
    queries: QueryApi,
    heartbeats: Heartbeats,
}

impl Apis {
    /// The state of all APIs. To be called inside a tokio runtime; the database need not be there yet.
    pub fn start(store: EventStore, pool: &PgPool, replica: Option<PgPool>) -> Self {
        let freshness = Freshness::new(pool.clone(), replica.clone());
        let reads = replica.unwrap_or_else(|| pool.clone());
        let heartbeats = Heartbeats::new(pool.clone());
        let commands = CommandApi::start(
            store,
            reads.clone(),
            freshness.clone(),
            heartbeats.clone(),
            RequestTimeouts::default(),
        );
        Self { commands, queries: QueryApi::new(reads, freshness), heartbeats }
    }

    /// The APIs of a process, on a log of its own.
    pub fn of(process: &Process) -> Self {
        let store = EventStore::start(process.pool.clone(), LogOptions::default());
        Self::start(store, &process.pool, process.replica())
    }

    /// An API's endpoints and their description: commands and reads together.
    pub fn api(&self, api: Api) -> OpenApiRouter {
        let commands = || Arc::clone(&self.commands);
        let queries = || self.queries.clone();
        match api {
            Api::Experience => command_api::experience::router(commands())
                .merge(command_api::native::users(commands()))
                .merge(query_api::experience::router(queries()))
                .merge(query_api::native::router(queries())),
            Api::WorkerDal => {
                let reads = query_api::worker_dal::router(queries())
                    .merge(query_api::native::router(queries()));
                let settled = from_fn_with_state(self.heartbeats.clone(), written_before_reads);
                command_api::worker_dal::router(commands())
                    .merge(command_api::native::agents(commands()))
                    .merge(reads.route_layer(settled))
            }
            Api::Status => status(queries()),
        }
    }

    /// The whole router of an API: under the prefixes of all generations, with its documentation.
    pub fn router(&self, api: Api) -> Result<Router> {
        let (router, description) = self.api(api).split_for_parts();
        Ok(prefixes::mount(&router, &[prefix(api)]).merge(docs::router(title(api), description)?))
    }
}

/// The Status API, which has no commands.
fn status(queries: QueryApi) -> OpenApiRouter {
    query_api::status::router(queries.clone()).merge(query_api::native::router_as_found(queries))
}

/// v1's titles.
pub fn title(api: Api) -> &'static str {
    match api {
        Api::Experience => "ManMan Experience API",
        Api::WorkerDal => "ManMan Worker DAL API",
        Api::Status => "ManMan Status API",
    }
}

/// Where the earlier generations find an API, beside the root. The Status API's paths begin with
/// `/status` by themselves.
fn prefix(api: Api) -> &'static str {
    match api {
        Api::Experience => "/experience",
        Api::WorkerDal => "/workerdal",
        Api::Status => "/status",
    }
}

/// `start-experience-api`.
pub async fn start_experience_api(env: &Env, options: &ApiOptions) -> Result<()> {
    let process = start(env, "manman experience-api", options).await?;
    let apis = Apis::of(&process);
    run(process, options.port, apis.router(Api::Experience)?).await
}

/// `start-worker-dal-api`.
pub async fn start_worker_dal_api(env: &Env, options: &ApiOptions) -> Result<()> {
    let process = start(env, "manman worker-dal-api", options).await?;
    let apis = Apis::of(&process);
    worker_dal_tasks(&process, &apis)?;
    run(process, options.port, apis.router(Api::WorkerDal)?).await
}

/// `start-status-api`.
pub async fn start_status_api(env: &Env, options: &ApiOptions) -> Result<()> {
    let process = start(env, "manman status-api", options).await?;
    let freshness = Freshness::new(process.pool.clone(), process.replica());
    let queries = QueryApi::new(process.reads.clone(), freshness);
    let (router, description) = status(queries).split_for_parts();
    let api = Api::Status;
    let router =
        prefixes::mount(&router, &[prefix(api)]).merge(docs::router(title(api), description)?);
    run(process, options.port, router).await
}

/// `start-status-processor`.
pub async fn start_status_processor(env: &Env, options: &ApiOptions) -> Result<()> {
    let process = start(env, "manman status-processor", options).await?;
    let store = EventStore::start(process.pool.clone(), LogOptions::default());
    processor_tasks(&process, &store)?;
    run(process, options.port, Router::new()).await
}

/// `start-worker`. An agent has no database, and no port unless it is given one for its health.
pub async fn start_worker(env: &Env) -> Result<()> {
    let log = LogConfig::from_env(env)?;
    let executable = std::env::current_exe().context("the path of this program is unknown")?;
    let config = AgentConfig::from_env(env, &executable)?;
    let broker = broker_config(env)?;
    telemetry::init(&log)?;
    let metrics = Metrics::install()?;
    messaging::metrics::describe();
    worker::describe_metrics();
    let signals = shutdown::by_signal()?;
    let health = Health::new(signals.either.clone());
    tokio::spawn(metrics.clone().upkeep(signals.either.clone()));
    if let Some(port) = config.health_port {
        let listener = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await?;
        let limits = Limits::default();
        let router =
            service::http::defaults(service::health::router(health.clone(), metrics), &limits);
        // Until the process ends: that it is stopping is something to tell, too.
        tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
    }
    Ok(worker::agent::run(config, broker, signals, &health).await?)
}

async fn start(env: &Env, name: &str, options: &ApiOptions) -> Result<Process> {
    Process::start(env, name, !options.no_should_run_migration_check).await
}

async fn run(mut process: Process, port: u16, router: Router) -> Result<()> {
    let router = router.merge(process.health_router());
    process.add_server(port, router).await?;
    process.serve();
    tracing::info!(port, "serving");
    process.finish().await
}

/// The Worker DAL API writes heartbeats and, as v1's, declares what workers expect on the broker.
pub fn worker_dal_tasks(process: &Process, apis: &Apis) -> Result<()> {
    // Not before the last request is answered: what it recorded must still be written.
    process.tasks.spawn("heartbeats", apis.heartbeats.clone().run(process.drained.clone()));

    let broker = Broker::new("worker-dal-api.topology", broker_config(&process.env)?);
    let shutdown = process.tasks.shutdown();
    process.tasks.spawn("topology", async move {
        shutdown.run_until_cancelled(declare(broker)).await;
        shutdown.cancelled().await;
        Ok::<_, String>(())
    });
    Ok(())
}

/// Declares the shared topology once; a worker may start before any status processor did.
async fn declare(broker: Broker) {
    let mut publisher = Publisher::new(broker, Topology::v1());
    while publisher.connect().await.is_err() {
        tokio::time::sleep(DECLARE_AGAIN).await;
    }
    publisher.close().await;
}

/// What the status processor does, as tasks of a process.
pub fn processor_tasks(process: &Process, store: &EventStore) -> Result<()> {
    let broker = broker_config(&process.env)?;
    let tasks = &process.tasks;

    let projectors = Projectors::new(store.log.clone());
    ready(&process.health, "projections", projectors.status());
    tasks.spawn("projections", endless(projectors.run(tasks.shutdown())));

    let relay = Relay::new(store.log.clone(), Broker::new("relay", broker.clone()), Topology::v1());
    ready(&process.health, "relay", relay.status());
    tasks.spawn("relay", endless(relay.run(tasks.shutdown())));

    // A replica that was stopped holds the queue until the broker misses it.
    let vigilant = BrokerConfig { heartbeat_seconds: INTAKE_HEARTBEAT_SECONDS, ..broker };
    let intake = Intake::new(store.clone(), Broker::new("report intake", vigilant), Topology::v1());
    ready(&process.health, "report intake", intake.status());
    tasks.spawn("report intake", endless(intake.run(tasks.shutdown())));

    let liveness = Liveness::new(store.clone(), LivenessConfig::default());
    ready(&process.health, "liveness", liveness.status());
    tasks.spawn("liveness", endless(liveness.run(tasks.shutdown())));
    progress::tell(&process.health, &process.pool);
    Ok(())
}

/// A piece that keeps trying whatever happens: it ends only when it is told to.
async fn endless(piece: impl Future<Output = ()>) -> Result<(), std::convert::Infallible> {
    piece.await;
    Ok(())
}

fn ready(health: &Health, name: &'static str, status: PieceStatus) {
    health.check(name, move || std::future::ready(status.check()));
}
