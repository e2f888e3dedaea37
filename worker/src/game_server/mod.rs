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

use self::actor::{Actor, Message, Resumed};
pub(crate) use self::host::Host;
use self::record::RunRecord;
use crate::commands::{Asked, Command};
use crate::process::{Attached, Process};

/// All game servers of this host.
pub(crate) struct GameServers {
    host: Arc<Host>,
    actors: HashMap<i32, mpsc::UnboundedSender<Message>>,
    tasks: JoinSet<()>,
}

impl GameServers {
    /// Takes up what earlier agents left: attaches to what runs, tells what has ended meanwhile, goes on with what was
    /// being prepared.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub(crate) async fn take_up(host: Arc<Host>) -> io::Result<Self> {
        let mut servers = Self { host, actors: HashMap::new(), tasks: JoinSet::new() };
        let mut of_configs: HashMap<i32, Vec<RunRecord>> = HashMap::new();
        for record in record::all(&servers.host.runs)? {
            of_configs.entry(record.config.game_server_config_id).or_default().push(record);
        }
        for (config_id, mut records) in of_configs {
            let newest = records.pop();
            for earlier in records.iter_mut().filter(|earlier| !earlier.is_ended()) {
                // Two at once are a defect, or a copied directory; the older one is stopped, not forgotten.
                tracing::error!(config_id, run = %earlier.run_id, "a second run of one config is being ended");
                servers.host.end_stray(earlier).await;
            }
            let resumed = match newest {
                Some(newest) => Some(servers.resume(newest).await?),
                None => None,
            };
            servers.spawn(config_id, resumed, &records);
        }
        Ok(servers)
    }

    async fn resume(&self, record: RunRecord) -> io::Result<Resumed> {
        if record.is_ended() {
            return Ok(Resumed::Over(record));
        }
        let dir = record.dir(&self.host.runs);
        Ok(match Process::attach(&dir).await? {
            Attached::Running(process) => {
                let (config_id, pid) = (record.config.game_server_config_id, process.started().pid);
                tracing::info!(config_id, pid, run = %record.run_id, "attached to a running game server");
                Resumed::Running(record, process)
            }
            Attached::Ended(ending) => Resumed::Ended(record, ending),
            Attached::NeverStarted => Resumed::Preparing(record),
        })
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
        let rejected = match self.actors.get(&config_id) {
            Some(actor) => actor.send(message).err().map(|rejected| rejected.0),
            None => Some(message),
        };
        // There is none yet, or it died of a defect that is in the log; a new one takes up the files.
        if let Some(message) = rejected {
            drop(self.spawn(config_id, None, &[]).send(message));
        }
    }

    fn spawn(
        &mut self,
        config_id: i32,
        resumed: Option<Resumed>,
        ended: &[RunRecord],
    ) -> &mpsc::UnboundedSender<Message> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let actor = Actor::new(config_id, Arc::clone(&self.host), inbox, ended);
        self.tasks.spawn(actor.live(resumed));
        self.actors.entry(config_id).insert_entry(sender).into_mut()
    }

    /// Tells all that the worker has another id now.
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
