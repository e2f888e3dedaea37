//! `http_command`: `POST /server/instance/create`, 64 connections, durable, against one plain insert
//! per commit.

use anyhow::Result;

use crate::baseline;
use crate::database::Database;
use crate::load::{Client, closed_loop, request};
use crate::roles::Role;
use crate::settings::Settings;
use crate::summary::Summary;

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let plain = Database::bare(settings).await?;
    let inserts = baseline::pgbench_insert(settings, &plain).await?;
    plain.drop().await?;

    let database = Database::migrated(settings).await?;
    let api = Role::start(settings, &database, "start-worker-dal-api").await?;
    let mut client = Client::connect(&api.address).await?;
    let worker = client.post("/worker/create", "").await?.json()?["worker_id"].clone();
    // As a v1 worker sends it.
    let body = format!(
        r#"{{"game_server_instance_id":0,"game_server_config_id":1,"worker_id":{worker},"end_date":null,"last_heartbeat":null}}"#
    );
    let create = request("POST", "/server/instance/create", &api.address, "", &body);
    let rate =
        closed_loop(&api.address, 64, settings.duration(), move |_, _| create.clone()).await?;
    api.stop().await?;
    database.drop().await?;
    summary.add(
        "http_command",
        rate,
        "requests/s",
        ("pgbench plain insert, 16 clients", inserts),
        ">= 0.5",
    );
    Ok(())
}
