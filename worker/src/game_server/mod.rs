//! The game servers of this host: one actor per config, which installs, starts, attends and ends what runs of it.
//!
//! | module | what it has |
//! |---|---|
//! | `host` | what the actors share: settings, the API, reports, what is running |
//! | `actor` | the life of one config's game server, from one command to the next |
//! | `preparing` | install, checks, launch |
//! | `record` | what is remembered of a run |
//! | `restart` | whether and when it is started again |
//! | `words` | endings in words |

mod actor;
mod host;
mod preparing;
mod record;
mod restart;
mod words;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::actor::{Actor, Message};
pub(crate) use self::host::Host;
use self::record::RunRecord;
use crate::commands::{Asked, Command};

/// All game servers of this host.
pub(crate) struct GameServers {
    host: Arc<Host>,
    actors: HashMap<i32, mpsc::UnboundedSender<Message>>,
    tasks: JoinSet<()>,
}

impl GameServers {
    /// Takes up what earlier agents left, each config by itself: attaches to what runs, tells what has ended meanwhile,
    /// goes on with what was being prepared.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub(crate) fn take_up(host: Arc<Host>) -> io::Result<Self> {
        let mut of_configs: HashMap<i32, Vec<RunRecord>> = HashMap::new();
        let found = record::all(&host.runs)?;
        for directory in found.without_record {
            record::remove(&directory);
        }
        for record in found.records {
            of_configs.entry(record.config.game_server_config_id).or_default().push(record);
        }
        let mut servers = Self { host, actors: HashMap::new(), tasks: JoinSet::new() };
        for (config_id, records) in of_configs {
            servers.spawn(config_id, records);
        }
        Ok(servers)
    }

    /// Hands a command to the game server it is for.
    pub(crate) fn handle(&mut self, command: Command) {
        let config_id = match command.asked {
            Asked::Start { config_id }
            | Asked::Stop { config_id }
            | Asked::Stdin { config_id, .. } => config_id,
            Asked::ShutDown => return command.refused("not for a game server"),
        };
        let message = Message::Command(command);
        let message = match self.actors.get(&config_id) {
            Some(actor) => match actor.send(message) {
                Ok(()) => return,
                Err(rejected) => rejected.0,
            },
            None => message,
        };
        // There is none yet; or it died of a defect, which the log tells, and a new one takes up its runs.
        let mut records = match record::all(&self.host.runs) {
            Ok(found) => found.records,
            Err(error) => {
                tracing::error!(config_id, %error, "what runs cannot be looked up");
                return message.refused(&format!("what runs cannot be looked up: {error}"));
            }
        };
        records.retain(|record| record.config.game_server_config_id == config_id);
        drop(self.spawn(config_id, records).send(message));
    }

    fn spawn(
        &mut self,
        config_id: i32,
        records: Vec<RunRecord>,
    ) -> &mpsc::UnboundedSender<Message> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let actor = Actor::new(config_id, Arc::clone(&self.host), inbox);
        self.tasks.spawn(actor.live(records));
        self.actors.entry(config_id).insert_entry(sender).into_mut()
    }

    /// Tells all that the worker has registered, maybe under another id.
    pub(crate) fn adopt(&self) {
        for actor in self.actors.values() {
            drop(actor.send(Message::Adopt));
        }
    }

    /// Stops every game server, side by side, and returns when all have ended.
    pub(crate) async fn shut_down(&mut self) {
        for actor in self.actors.values() {
            drop(actor.send(Message::ShutDown));
        }
        self.finished().await;
    }

    /// Lets go of every game server: they run on. What is being installed is given up and begun anew by the next agent.
    pub(crate) async fn leave(&mut self) {
        self.host.leaving.cancel();
        self.finished().await;
    }

    async fn finished(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "the actor of a game server died");
            }
        }
        // Not before: an actor without anybody to talk to takes it that the agent has left.
        self.actors.clear();
    }
}
