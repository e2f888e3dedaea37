//! What every role's process has: settings, a database, health, HTTP servers, background tasks.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use event_store::{MigrationState, migration_state};
use messaging::{BrokerConfig, Tls};
use service::config::{DatabaseConfig, Env, LogConfig, RabbitConfig};
use service::health::Health;
use service::http::{Limits, listen, serve};
use service::tasks::Tasks;
use service::telemetry::{self, Metrics};
use service::{database, shutdown};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a process waits at its start for a database that does not answer.
const DATABASE_PATIENCE: Duration = Duration::from_secs(60);
/// How long tasks may take after shutdown began: the drain of the servers and then some.
const FINISH: Duration = Duration::from_secs(25);

/// A role's process.
pub struct Process {
    /// The environment with the flags on top.
    pub env: Env,
    /// The database that takes writes.
    pub pool: PgPool,
    /// Where reads go: a replica, or the same.
    pub reads: PgPool,
    has_replica: bool,
    pub health: Health,
    pub metrics: Metrics,
    pub tasks: Tasks,
    /// Cancelled when the servers have answered their last request.
    pub drained: CancellationToken,
    limits: Limits,
    servers: Vec<(TcpListener, Router)>,
}

impl Process {
    /// Reads the settings, starts logging and metrics, and, if asked to, checks the migrations.
    pub async fn start(env: &Env, name: &str, checks_migrations: bool) -> Result<Self> {
        let log = LogConfig::from_env(env)?;
        let database = DatabaseConfig::from_env(env)?;
        telemetry::init(&log)?;
        let metrics = Metrics::install()?;
        messaging::metrics::describe();
        projectors::metrics::describe();
        let token = shutdown::on_signal()?;
        let pool = database::pool(&database, name)?;
        let reads = database::read_pool(&database, name)?;
        if checks_migrations {
            refuse_pending_migrations(&pool, &token).await?;
        }
        let health = Health::new(token.clone());
        let checked = pool.clone();
        health.check("database", move || database::reachable(checked.clone()));
        let tasks = Tasks::new(health.clone(), token.clone());
        let upkeep = metrics.clone().upkeep(token);
        tasks.spawn("metrics", async move {
            upkeep.await;
            Ok::<_, String>(())
        });
        Ok(Self {
            env: env.clone(),
            has_replica: database.read_url.is_some(),
            pool,
            reads,
            health,
            metrics,
            tasks,
            drained: CancellationToken::new(),
            limits: Limits::default(),
            servers: Vec::new(),
        })
    }

    /// The replica for reads, if there is one.
    pub fn replica(&self) -> Option<PgPool> {
        self.has_replica.then(|| self.reads.clone())
    }

    /// Opens a port for a router; it is served by [`Process::serve`].
    pub async fn add_server(&mut self, port: u16, router: Router) -> Result<()> {
        let listener = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await?;
        let router = service::http::defaults(router, &self.limits);
        self.servers.push((listener, router));
        Ok(())
    }

    /// The router every server has beside its API.
    pub fn health_router(&self) -> Router {
        service::health::router(self.health.clone(), self.metrics.clone())
    }

    /// Begins to serve. Requests in flight are answered after shutdown began; then `drained` is
    /// cancelled.
    pub fn serve(&mut self) {
        let (limits, token, drained) =
            (self.limits.clone(), self.tasks.shutdown(), self.drained.clone());
        let servers = std::mem::take(&mut self.servers)
            .into_iter()
            .map(move |(listener, router)| serve(listener, router, limits.clone(), token.clone()));
        let served = futures::future::join_all(servers);
        self.tasks.spawn("http", async move {
            served.await;
            drained.cancel();
            Ok::<_, String>(())
        });
    }

    /// Waits for shutdown and for everything to finish.
    pub async fn finish(self) -> Result<()> {
        self.tasks.finish(FINISH).await?;
        info!("stopped");
        Ok(())
    }
}

/// The broker's settings as the messaging room wants them.
pub fn broker_config(env: &Env) -> Result<BrokerConfig> {
    let config = RabbitConfig::from_env(env)?;
    let mut broker = BrokerConfig::new(
        config.host,
        config.port,
        config.user,
        config.password.expose(),
        config.vhost,
    );
    if let Some(tls) = config.tls {
        broker.tls = Some(Tls::try_new(Some(&tls.hostname), tls.ca_file)?);
    }
    Ok(broker)
}

/// Compares applied with embedded migrations; waits for a database that is still starting.
async fn refuse_pending_migrations(pool: &PgPool, shutdown: &CancellationToken) -> Result<()> {
    let patience = tokio::time::Instant::now() + DATABASE_PATIENCE;
    let state = loop {
        match migration_state(pool).await {
            Ok(state) => break state,
            Err(error) if tokio::time::Instant::now() > patience => {
                return Err(error).context("the database does not answer");
            }
            Err(error) => warn!(%error, "waiting for the database"),
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none()
        {
            bail!("stopped while waiting for the database");
        }
    };
    if !state.unknown.is_empty() {
        warn!(unknown = ?state.unknown, "the database was migrated by a newer version of ManMan");
    }
    require_migrated(&state)
}

/// The database for an operator's verb.
pub async fn operator_pool(env: &Env, name: &str) -> Result<PgPool> {
    let pool = database::pool(&DatabaseConfig::from_env(env)?, name)?;
    let state = migration_state(&pool).await.context("the database does not answer")?;
    require_migrated(&state)?;
    Ok(pool)
}

/// Says what to run while a migration is pending.
pub fn require_migrated(state: &MigrationState) -> Result<()> {
    if !state.pending.is_empty() {
        bail!(
            "migration needs to be ran before starting: `manman run-migration` applies\n  {}",
            state.pending.join("\n  ")
        );
    }
    Ok(())
}
