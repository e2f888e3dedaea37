//! A rebuild as an operator begins it: `manman projections rebuild`, a process of its own.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::database::Database;
use crate::roles::manman;
use crate::settings::Settings;

/// What it told of itself.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Rebuilt {
    /// Events read.
    pub events: i64,
    /// From the first event to the last index.
    pub fill_seconds: f64,
    /// Whether what it filled is live now.
    pub switched: bool,
    /// How long that took.
    pub switch_seconds: f64,
}

impl Rebuilt {
    /// What an event cost, in microseconds.
    pub fn cost(&self) -> f64 {
        self.fill_seconds * 1e6 / self.events as f64
    }

    /// Events per second.
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.fill_seconds
    }
}

/// A rebuild that goes on; killed when dropped.
pub struct Rebuild(Child);

impl Rebuild {
    /// Begins one of all read models, which switches by itself.
    pub fn start(settings: &Settings, database: &Database) -> Result<Self> {
        let mut command: Command = manman(settings)?;
        let child = command
            .env("MANMAN_POSTGRES_URL", database.url())
            .args(["projections", "rebuild", "--all", "--auto-switch", "--json", "--quiet"])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", settings.manman.display()))?;
        Ok(Self(child))
    }

    /// Waits for its end, which must be a switch.
    pub async fn finish(self) -> Result<Rebuilt> {
        let output = self.0.wait_with_output().await?;
        if !output.status.success() {
            bail!("the rebuild ended with {}", output.status);
        }
        let rebuilt: Rebuilt = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())?;
        if !rebuilt.switched {
            bail!("the rebuild did not switch");
        }
        Ok(rebuilt)
    }
}
