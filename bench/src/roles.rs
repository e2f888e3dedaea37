//! The executable's roles as processes of their own, as in production.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::database::Database;
use crate::load::Client;
use crate::settings::Settings;

/// A running role; killed when dropped.
pub struct Role {
    child: Child,
    /// Where it listens: `127.0.0.1:port`.
    pub address: String,
}

impl Role {
    /// Starts a subcommand such as `start-worker-dal-api` and waits until it is ready.
    pub async fn start(settings: &Settings, database: &Database, subcommand: &str) -> Result<Self> {
        let port = free_port()?;
        let child = manman(settings)?
            .env("MANMAN_POSTGRES_URL", database.url())
            .args([subcommand, "--port", &port.to_string()])
            .spawn()
            .with_context(|| format!("starting {}", settings.manman.display()))?;
        Self { child, address: format!("127.0.0.1:{port}") }.ready().await
    }

    async fn ready(mut self) -> Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the role ended at its start: {status}");
            }
            if let Ok(mut client) = Client::connect(&self.address).await
                && client.get("/readyz").await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(self);
            }
            if Instant::now() > deadline {
                bail!("the role is not ready after 60 s");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it and waits until it is gone.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

/// The executable with its broker set; killed when dropped.
pub fn manman(settings: &Settings) -> Result<Command> {
    let amqp = reqwest::Url::parse(&settings.amqp_url).context("MANMAN_BENCH_AMQP_URL")?;
    let mut command = Command::new(&settings.manman);
    command
        .env("MANMAN_RABBITMQ_HOST", amqp.host_str().unwrap_or("localhost"))
        .env("MANMAN_RABBITMQ_PORT", amqp.port().unwrap_or(5672).to_string())
        .env("MANMAN_RABBITMQ_VHOST", "/")
        .env("LOG_LEVEL", "WARNING")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
