//! An agent with the system it works for, as in production: each role a process of its own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use messaging::contract::{Command, EntityType};
use messaging::{Broker, BrokerConfig, Outgoing, Published, Publisher, Topology};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::agent::Agent;
use crate::database::Database;
use crate::load::{Client, request};
use crate::roles::Role;
use crate::settings::Settings;

/// Longer than anything here takes; only a failing run gets that far.
const DEADLINE: Duration = Duration::from_secs(120);

/// A game host with nothing on it at first. Everything in it ends with it.
pub struct GameHost {
    /// First, so that it is dropped first.
    pub agent: Agent,
    experience: Role,
    worker_dal: Role,
    processor: Role,
    database: Database,
    publisher: Publisher,
    worker_id: i32,
    game_server: Value,
}

impl GameHost {
    /// Starts a system and an agent in it with these variables, and waits until it is registered.
    pub async fn start(settings: &Settings, environment: &[(&str, &str)]) -> Result<Self> {
        let database = Database::migrated(settings).await?;
        let experience = Role::start(settings, &database, "start-experience-api").await?;
        let worker_dal = Role::start(settings, &database, "start-worker-dal-api").await?;
        let processor = Role::start(settings, &database, "start-status-processor").await?;
        let agent = Agent::start(settings, &worker_dal.address, environment)?;
        let broker = Broker::new("bench", BrokerConfig::from_url(&settings.amqp_url)?);
        let mut publisher = Publisher::new(broker, Topology::v1());
        // What that takes is not what is measured.
        publisher.connect().await?;
        let mut host = Self {
            agent,
            experience,
            worker_dal,
            processor,
            database,
            publisher,
            worker_id: 0,
            game_server: Value::Null,
        };
        let registered = async || {
            let worker = host.ask("GET", "/worker/current", "").await;
            Ok(worker.ok().and_then(|worker| worker["worker_id"].as_i64()))
        };
        host.worker_id = until("the agent is registered", registered).await?.try_into()?;
        // As the relay does, for commands that are sent before the agent has subscribed.
        let queue = Topology::v1().command_queue(EntityType::Worker, host.worker_id);
        host.publisher.declare_queue(&queue).await?;
        let demo = json!({"name": "bench", "server_type": "LOCAL"});
        let added = host.ask("POST", "/v1/game-servers", &demo.to_string()).await?;
        host.game_server = added["game_server_id"].clone();
        Ok(host)
    }

    /// Adds a config of this command line to the catalogue; its stop line, if it has one, is `quit`.
    pub async fn add_config(
        &self,
        name: &str,
        command: &[&str],
        stop_line: Option<&str>,
    ) -> Result<i32> {
        let (executable, args) = command.split_first().context("no executable")?;
        let config = json!({
            "game_server_id": self.game_server, "name": name, "executable": executable, "args": args,
            "supervision": {"stop_line": stop_line},
        });
        let added = self.ask("POST", "/v1/game-server-configs", &config.to_string()).await?;
        let id = added["game_server_config_id"].as_str().context("no id of the config")?;
        Ok(id.parse()?)
    }

    /// Asks for a start as users do.
    pub async fn ask_for_start(&self, config_id: i32) -> Result<()> {
        self.ask("POST", &format!("/gameserver/{config_id}/start"), "").await?;
        Ok(())
    }

    /// Publishes commands to the agent, past the log: as today's services do, and at once.
    pub async fn publish(&mut self, commands: &[Command]) -> Result<()> {
        let (topology, to) = (Topology::v1(), (EntityType::Worker, self.worker_id));
        let batch = commands.iter().map(|command| {
            let id = uuid::Uuid::now_v7().to_string();
            Outgoing::command(&topology, to, command, id, Utc::now())
        });
        let batch = batch.collect::<Result<Vec<_>, _>>()?;
        let published = self.publisher.publish(&batch).await?;
        if published.iter().any(|published| *published != Published::Routed) {
            bail!("a command found no queue");
        }
        Ok(())
    }

    /// Waits until this many instances have a status, among those that are open or among those that are not.
    pub async fn until_instances(&self, count: usize, open: bool, status: &str) -> Result<()> {
        let path = format!("/v1/game-server-instances?worker_id={}&open={open}", self.worker_id);
        let those = async || {
            let page = self.ask("GET", &path, "").await?;
            let instances = page["game_server_instances"].as_array().context("no instances")?;
            let such = instances.iter().filter(|instance| instance["status"] == status);
            Ok((such.count() == count).then_some(()))
        };
        until(&format!("{count} instances are {status}"), those).await
    }

    /// Waits until every command that was asked for has its outcome.
    pub async fn until_no_command_is_pending(&self) -> Result<()> {
        let path = format!("/v1/workers/{}/commands?outcome=pending", self.worker_id);
        let none = async || {
            let page = self.ask("GET", &path, "").await?;
            let commands = page["commands"].as_array().context("no commands")?;
            Ok(commands.is_empty().then_some(()))
        };
        until("all commands have outcomes", none).await
    }

    /// One call to the Experience API, over a connection of its own.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let address = &self.experience.address;
        let mut client = Client::connect(address).await?;
        let answer = client.send(request(method, path, address, "", body).as_bytes()).await?;
        if !(200..300).contains(&answer.status) {
            let body = String::from_utf8_lossy(&answer.body);
            bail!("{method} {path}: {} {body}", answer.status);
        }
        answer.json()
    }

    /// Ends all of it, and leaves nothing on the broker for the next one.
    pub async fn end(mut self) -> Result<()> {
        self.agent.end().await?;
        for role in [self.experience, self.worker_dal, self.processor] {
            role.stop().await?;
        }
        let statuses = Topology::v1().internal_status_queue();
        let deadline = Instant::now() + DEADLINE;
        // The broker may have yet to notice that its consumer is gone.
        while !self.publisher.delete_queue_unless_used(&statuses).await? {
            if Instant::now() > deadline {
                bail!("the queue {} is still in use", statuses.name);
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.publisher.close().await;
        self.database.drop().await
    }
}

/// Waits until there is something, looking every few milliseconds.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("in vain for {} s: {what}", DEADLINE.as_secs());
        }
        sleep(Duration::from_millis(5)).await;
    }
}
