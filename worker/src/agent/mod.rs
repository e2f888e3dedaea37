//! The agent's life: it takes its directory, takes up its game servers, registers, and serves until it leaves or its
//! worker ends.
//!
//! Leaving and ending are two things. An agent that *leaves* (SIGTERM: an upgrade) lets its game servers run on for the
//! next agent. A worker that *ends* (SIGINT, or asked for by a command) stops them, says goodbye and is closed.

mod heartbeats;
mod identity;
mod stillness;
mod strays;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use messaging::contract::StatusType;
use messaging::{Broker, BrokerConfig, Topology};
use service::health::{Flag, Health};
use service::shutdown::BySignal;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::heartbeats::Finding;
use self::identity::Identity;
use self::stillness::Stillness;
use crate::api::{Api, ApiError, Attachment, Registration};
use crate::commands::{Asked, Command, Commands};
use crate::config::{AgentConfig, OnSigterm};
use crate::game_server::{GameServers, Host};
use crate::reports::{Lane, Report, Reports};

/// How long registering is put off after a failure, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long an agent that leaves waits for its last reports; the rest stays on disk for the next one.
const LAST_REPORTS: Duration = Duration::from_secs(3);
/// The same for a worker that ends: there may be no next agent.
const LAST_REPORTS_OF_A_WORKER: Duration = Duration::from_secs(30);
/// The problem code of a name that another agent has.
const NAME_IN_USE: &str = "worker_name_in_use";

/// Why an agent could not begin, or had to give up. The game servers it had run on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its directory cannot be used.
    #[error("{} cannot be used", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another agent is at work in the same directory.
    #[error("another agent (process {process}) is at work in {}", .path.display())]
    DirectoryTaken {
        /// The directory.
        path: PathBuf,
        /// Its process id, as it wrote it down.
        process: String,
    },
    /// A live worker has this name.
    #[error(
        "the name {name:?} is taken: {detail}; set MANMAN_WORKER_NAME to another one, or stop that agent"
    )]
    NameInUse {
        /// The name.
        name: String,
        /// In the API's words.
        detail: String,
    },
    /// Another agent registered under this worker's name while this one was not heard of.
    #[error("another agent has taken this worker over: {0}; the game servers of this one run on")]
    TakenOver(String),
    /// The API does not take what the agent says.
    #[error("the Worker DAL API refuses the agent")]
    Api(#[from] ApiError),
}

/// Why an agent stops serving.
enum End {
    /// It leaves; its game servers run on.
    Leave,
    /// The worker ends; by a command, or by a signal.
    Worker(Option<Command>),
}

/// Runs an agent until it leaves, its worker ends, or it must give up.
///
/// # Errors
/// See [`AgentError`]. An API or a broker that is away is none: the agent waits for them.
pub async fn run(
    config: AgentConfig,
    broker: BrokerConfig,
    signals: BySignal,
    health: &Health,
) -> Result<(), AgentError> {
    let identity = Identity::take(&config.state_directory)?;
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |source| AgentError::Directory { path, source }
    };
    std::fs::create_dir_all(&config.install_directory)
        .map_err(failed(&config.install_directory))?;
    let state = config.state_directory.clone();
    let api = Api::try_new(&config.host_url, config.verify_tls)?;
    let reporting = Broker::new("worker.reports", broker.clone());
    let (reports, delivery) =
        Reports::open(state.join("spool"), api.clone(), reporting, Topology::v1())
            .map_err(failed(&state))?;
    let no_delivery = CancellationToken::new();
    let delivering = tokio::spawn(delivery.run(no_delivery.clone()));

    // Before the API is asked for anything: game servers end and crash whether it is there or not.
    let worker_id = identity.worker_id().unwrap_or_default();
    let host = Arc::new(Host::new(config, api, reports, worker_id));
    let servers = GameServers::take_up(Arc::clone(&host)).map_err(failed(&state))?;
    let commanding = Broker::new("worker.commands", broker);
    let link = commanding.clone();
    health.check("broker", move || {
        std::future::ready(link.is_connected().then_some(()).ok_or("not connected to the broker"))
    });
    let api = health.flag("worker dal api");
    api.fail("not registered yet");
    let tasks = JoinSet::new();
    let beating = None;
    let agent = Agent { host, identity, servers, commanding, api, signals, beating, tasks };
    let served = agent.serve().await;
    no_delivery.cancel();
    // It has a deadline of its own; a panic in it is in the log.
    drop(delivering.await);
    served
}

struct Agent {
    host: Arc<Host>,
    identity: Identity,
    servers: GameServers,
    /// The link of the command queue.
    commanding: Broker,
    /// Whether signs of life get through.
    api: Flag,
    signals: BySignal,
    beating: Option<Ends>,
    tasks: JoinSet<()>,
}

impl Agent {
    async fn serve(mut self) -> Result<(), AgentError> {
        let end = match self.registered().await {
            Ok(Some(registration)) => self.work(registration).await,
            Ok(None) => Ok(self.end_by_signal()),
            Err(error) => Err(error),
        };
        self.tasks.shutdown().await;
        match end {
            Ok(End::Leave) => {
                self.leave().await;
                Ok(())
            }
            Ok(End::Worker(asked)) => {
                self.end_worker(asked).await;
                Ok(())
            }
            Err(error) => {
                self.leave().await;
                Err(error)
            }
        }
    }

    /// Registers, however long the API is away; `None` when told to stop before that.
    async fn registered(&mut self) -> Result<Option<Registration>, AgentError> {
        if self.identity.worker_id().is_none() {
            // The end of the worker before must not be told of the new one.
            let told = timeout(LONGEST_PAUSE, self.host.reports().drained());
            self.signals.either.run_until_cancelled(told).await;
        }
        let mut pause = Duration::from_millis(200);
        loop {
            let Some(result) = self.signals.either.run_until_cancelled(self.register()).await
            else {
                return Ok(None);
            };
            match result {
                Ok(registration) => return Ok(Some(registration)),
                Err(AgentError::Api(error)) if error.is_worth_retrying() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "not registered yet");
                }
                Err(error) => return Err(error),
            }
            if self.signals.either.run_until_cancelled(sleep(pause)).await.is_none() {
                return Ok(None);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn register(&self) -> Result<Registration, AgentError> {
        let (host, config) = (&self.host, self.host.config());
        let version = env!("CARGO_PKG_VERSION");
        let registered = host.api().register(&config.name, self.identity.agent_id(), version).await;
        let registration = match registered {
            Err(ApiError::Refused { code: Some(code), detail, .. }) if code == NAME_IN_USE => {
                return Err(AgentError::NameInUse { name: config.name.clone(), detail });
            }
            result => result?,
        };
        if config.exclusive {
            host.api().shut_down_others(registration.worker_id).await?;
        }
        Ok(registration)
    }

    /// Takes commands and shows signs of life until something ends that.
    async fn work(&mut self, mut registration: Registration) -> Result<End, AgentError> {
        loop {
            let finding = match self.work_as(&registration).await? {
                Worked::Ended(end) => return Ok(end),
                Worked::Found(finding) => finding,
            };
            match finding {
                Finding::TakenOver { detail } => return Err(AgentError::TakenOver(detail)),
                Finding::Closed { detail } => {
                    tracing::warn!(detail, "the worker was closed; registering anew");
                }
            }
            match self.registered().await? {
                Some(anew) => registration = anew,
                None => return Ok(self.end_by_signal()),
            }
        }
    }

    /// Works as one worker.
    async fn work_as(&mut self, registration: &Registration) -> Result<Worked, AgentError> {
        self.begin_as(registration);
        let (told, mut findings) = mpsc::channel(1);
        let config = self.host.config();
        let beating = heartbeats::beat(
            Arc::clone(&self.host),
            self.identity.agent_id(),
            self.api.clone(),
            told,
        );
        // Until the worker has ended: also while its game servers are being stopped.
        self.beating = Some(Ends(tokio::spawn(beating)));
        let shutdown = CancellationToken::new();
        let _no_more_commands = shutdown.clone().drop_guard();
        let directory = config.state_directory.join("commands");
        let (path, worker_id) = (directory.clone(), registration.worker_id);
        let mut commands = Commands::open(
            directory,
            self.host.api().clone(),
            self.host.reports().clone(),
            self.commanding.clone(),
            Topology::v1(),
            worker_id,
            shutdown,
        )
        .map_err(|source| AgentError::Directory { path, source })?;
        Ok(self.take_commands(&mut commands, &mut findings).await)
    }

    /// Hands out commands until something ends that.
    async fn take_commands(
        &mut self,
        commands: &mut Commands,
        findings: &mut mpsc::Receiver<Finding>,
    ) -> Worked {
        let mut stillness = Stillness::new();
        loop {
            let command = tokio::select! {
                biased;
                () = self.signals.either.cancelled() => break Worked::Ended(self.end_by_signal()),
                Some(finding) = findings.recv() => break Worked::Found(finding),
                command = commands.next() => match command {
                    Some(command) => Some(command),
                    None => break Worked::Ended(End::Leave),
                },
                () = stillness.tick() => None,
            };
            if stillness.was_long() {
                tracing::warn!(
                    "this host stood still; asking whether the worker is still this agent"
                );
                let asking = heartbeats::ask(&self.host, self.identity.agent_id());
                match self.signals.either.run_until_cancelled(asking).await {
                    Some(None) => {}
                    Some(Some(finding)) => break Worked::Found(finding),
                    None => break Worked::Ended(self.end_by_signal()),
                }
            }
            match command {
                Some(command) if command.asked == Asked::ShutDown => {
                    break Worked::Ended(End::Worker(Some(command)));
                }
                Some(command) => self.servers.handle(command),
                None => {}
            }
        }
    }

    /// What a registration brings with it.
    fn begin_as(&mut self, registration: &Registration) {
        let (worker_id, attached) = (registration.worker_id, registration.attached);
        tracing::info!(worker_id, name = self.host.config().name, ?attached, "registered");
        self.identity.remember(Some(worker_id));
        self.host.became(worker_id);
        self.servers.adopt();
        // As v1's workers begin: three statuses, each newer than the one before.
        let statuses: &[StatusType] = match attached {
            Attachment::Registered => {
                &[StatusType::Created, StatusType::Initializing, StatusType::Running]
            }
            Attachment::Reattached | Attachment::TakenOver => &[StatusType::Running],
        };
        for status in statuses {
            self.tell(Report::WorkerStatus { status: *status });
        }
        self.tasks.spawn(strays::end(Arc::clone(&self.host), worker_id));
    }

    /// What the signal that came means.
    fn end_by_signal(&self) -> End {
        let detaches = self.host.config().on_sigterm == OnSigterm::Detach;
        if detaches && self.signals.terminate.is_cancelled() {
            End::Leave
        } else {
            End::Worker(None)
        }
    }

    async fn leave(&mut self) {
        self.beating = None;
        self.servers.leave().await;
        if timeout(LAST_REPORTS, self.host.reports().drained()).await.is_err() {
            tracing::warn!("some reports are not delivered; the next agent delivers them");
        }
        tracing::info!("the agent has left; its game servers run on");
    }

    async fn end_worker(&mut self, asked: Option<Command>) {
        self.servers.shut_down().await;
        // As v1's workers do it: the ends of all instances, then the worker's.
        if timeout(LAST_REPORTS, self.host.reports().drained()).await.is_err() {
            tracing::warn!("the ends of some game servers are not told yet");
        }
        if self.identity.worker_id().is_some() {
            self.tell(Report::WorkerClosed);
            self.tell(Report::WorkerStatus { status: StatusType::Complete });
            self.identity.remember(None);
        }
        if let Some(command) = asked {
            command.fulfilled(None);
        }
        if timeout(LAST_REPORTS_OF_A_WORKER, self.host.reports().drained()).await.is_err() {
            tracing::warn!("some reports are not delivered; the next agent delivers them");
        }
        tracing::info!("the worker has ended");
    }

    fn tell(&self, report: Report) {
        drop(self.host.reports().push(self.host.worker_id(), Lane::Worker, report));
    }
}

/// Why work as one worker ended.
enum Worked {
    Ended(End),
    Found(Finding),
}

/// A task that ends with whoever waits for it.
struct Ends(JoinHandle<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}
