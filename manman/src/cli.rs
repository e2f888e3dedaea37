//! The command line. v1's names are kept; flags win over the environment.

#![expect(clippy::doc_markdown, reason = "the comments are help texts, read in a terminal")]

use std::ffi::OsString;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use service::config::Env;

use crate::operator::{DeadLettersVerb, ProjectionsVerb};

/// The subcommand by which an agent starts this program beside a game server.
pub const SUPERVISE: &str = "supervise";

/// Orchestrates game servers on many machines: an event-sourced backend.
///
/// Settings come from the environment (MANMAN_POSTGRES_URL, MANMAN_RABBITMQ_HOST, …, or the older
/// POSTGRES_URL, RABBITMQ_HOST, …); flags win over it.
#[derive(Debug, Parser)]
#[command(name = "manman", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub settings: Settings,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Settings shared by all subcommands; they may stand before or after the subcommand.
#[derive(Debug, Args)]
pub struct Settings {
    /// The database, postgresql://user:password@host:port/database (MANMAN_POSTGRES_URL)
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Host of the broker (MANMAN_RABBITMQ_HOST, default localhost)
    #[arg(long, global = true, value_name = "HOST")]
    rabbitmq_host: Option<String>,
    /// Port of the broker (MANMAN_RABBITMQ_PORT, default 5672)
    #[arg(long, global = true, value_name = "PORT")]
    rabbitmq_port: Option<String>,
    /// User at the broker (MANMAN_RABBITMQ_USER, default guest)
    #[arg(long, global = true, value_name = "NAME")]
    rabbitmq_user: Option<String>,
    /// Password at the broker; better given as MANMAN_RABBITMQ_PASSWORD
    #[arg(long, global = true, value_name = "PASSWORD")]
    rabbitmq_password: Option<String>,
    /// Virtual host at the broker (RABBITMQ_VHOST, default / or manman-$APP_ENV)
    #[arg(long, global = true, value_name = "VHOST")]
    rabbitmq_vhost: Option<String>,
    /// Speak TLS to the broker (MANMAN_RABBITMQ_ENABLE_SSL)
    #[arg(long, global = true)]
    rabbitmq_enable_ssl: bool,
    /// The name the broker's certificate must carry (MANMAN_RABBITMQ_SSL_HOSTNAME)
    #[arg(long, global = true, value_name = "NAME")]
    rabbitmq_ssl_hostname: Option<String>,
    /// The environment's name (APP_ENV)
    #[arg(long, global = true, value_name = "NAME")]
    app_env: Option<String>,
    /// DEBUG, INFO, WARNING, ERROR or CRITICAL (LOG_LEVEL, default INFO)
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Settings {
    /// The process's environment with the flags on top.
    pub fn env(&self) -> Env {
        let enable_ssl = self.rabbitmq_enable_ssl.then_some("true");
        Env::process()
            .with_optional_override("MANMAN_POSTGRES_URL", self.database_url.clone())
            .with_optional_override("MANMAN_RABBITMQ_HOST", self.rabbitmq_host.clone())
            .with_optional_override("MANMAN_RABBITMQ_PORT", self.rabbitmq_port.clone())
            .with_optional_override("MANMAN_RABBITMQ_USER", self.rabbitmq_user.clone())
            .with_optional_override("MANMAN_RABBITMQ_PASSWORD", self.rabbitmq_password.clone())
            .with_optional_override("MANMAN_RABBITMQ_VHOST", self.rabbitmq_vhost.clone())
            .with_optional_override("MANMAN_RABBITMQ_ENABLE_SSL", enable_ssl)
            .with_optional_override(
                "MANMAN_RABBITMQ_SSL_HOSTNAME",
                self.rabbitmq_ssl_hostname.clone(),
            )
            .with_optional_override("APP_ENV", self.app_env.clone())
            .with_optional_override("MANMAN_LOG_LEVEL", self.log_level.clone())
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The API of users and bots: start, stop and talk to game servers
    StartExperienceApi(ApiOptions),
    /// The API of workers: register, heartbeat, report instances
    StartWorkerDalApi(ApiOptions),
    /// The API of dashboards: statuses, lists, a summary of the system
    StartStatusApi(ApiOptions),
    /// Keeps read models, relays to RabbitMQ, takes reports in, finds lost workers
    StartStatusProcessor(ApiOptions),
    /// The agent on a game host: registers, installs and supervises game servers, reports
    ///
    /// SIGTERM makes it leave: its game servers run on, and the next agent in the same directory takes them up again.
    /// SIGINT (Ctrl-C), or a command to shut down, stops its game servers and closes the worker.
    #[command(alias = "start")]
    StartWorker(WorkerOptions),
    /// The APIs and the status processor in one process, for a laptop
    Up(UpOptions),
    /// Stand beside one game server; the agent starts this
    #[command(hide = true)]
    Supervise {
        /// The directory of the run
        #[arg(value_name = "DIR")]
        directory: std::path::PathBuf,
    },
    /// Bring the database up to date
    RunMigration,
    /// Write an empty migration, up and down, into migrations/
    CreateMigration(CreateMigrationOptions),
    /// Undo migrations down to a revision
    RunDowngrade(DowngradeOptions),
    /// How far read models are, and whether they are what the log says
    #[command(subcommand)]
    Projections(ProjectionsVerb),
    /// Messages that were given up on: look at them, try them again, or put them aside
    #[command(subcommand)]
    DeadLetters(DeadLettersVerb),
    /// Print the OpenAPI document of an API
    Openapi {
        /// The API
        #[arg(value_enum)]
        api: Api,
    },
}

#[derive(Debug, Args)]
pub struct ApiOptions {
    /// Port to listen on, on all addresses
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Threads that serve requests (default: one per core)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Refuse to start while a migration is pending (the default)
    #[arg(long, overrides_with = "no_should_run_migration_check")]
    pub should_run_migration_check: bool,
    /// Start whatever the state of the database
    #[arg(long, action = ArgAction::SetTrue)]
    pub no_should_run_migration_check: bool,
}

#[derive(Debug, Args)]
pub struct WorkerOptions {
    /// The Worker DAL API, http://host:port (MANMAN_HOST_URL)
    #[arg(long, value_name = "URL")]
    host_url: Option<String>,
    /// The worker's stable name (MANMAN_WORKER_NAME, default the host name)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where game servers are installed (MANMAN_WORKER_INSTALL_DIRECTORY, default ./data)
    #[arg(long, value_name = "DIR")]
    install_directory: Option<String>,
    /// What the agent remembers (MANMAN_WORKER_STATE_DIRECTORY, default .manman in the install directory)
    #[arg(long, value_name = "DIR")]
    state_directory: Option<String>,
    /// Seconds between heartbeats (MANMAN_WORKER_HEARTBEAT_SECONDS, default 2; silent for 5 it is LOST)
    #[arg(long, value_name = "SECONDS")]
    heartbeat_length: Option<String>,
    /// Check the API's certificate (the default; MANMAN_WORKER_VERIFY_SSL)
    #[arg(long, overrides_with = "no_verify_ssl")]
    verify_ssl: bool,
    /// Accept any certificate of the API
    #[arg(long)]
    no_verify_ssl: bool,
    /// Have all other v1 workers closed, as v1 workers do (MANMAN_WORKER_EXCLUSIVE)
    #[arg(long)]
    exclusive: bool,
    /// What SIGTERM means: detach (game servers run on) or stop (MANMAN_WORKER_ON_SIGTERM, default detach)
    #[arg(long, value_name = "detach|stop")]
    on_sigterm: Option<String>,
    /// Port for /livez, /readyz and /metrics (MANMAN_WORKER_HEALTH_PORT, default none)
    #[arg(long, value_name = "PORT")]
    health_port: Option<String>,
}

impl WorkerOptions {
    /// The environment with these flags on top.
    pub fn env(&self, env: Env) -> Env {
        let verify = match (self.verify_ssl, self.no_verify_ssl) {
            (_, true) => Some("false"),
            (true, false) => Some("true"),
            (false, false) => None,
        };
        env.with_optional_override("MANMAN_HOST_URL", self.host_url.clone())
            .with_optional_override("MANMAN_WORKER_NAME", self.name.clone())
            .with_optional_override(
                "MANMAN_WORKER_INSTALL_DIRECTORY",
                self.install_directory.clone(),
            )
            .with_optional_override("MANMAN_WORKER_STATE_DIRECTORY", self.state_directory.clone())
            .with_optional_override(
                "MANMAN_WORKER_HEARTBEAT_SECONDS",
                self.heartbeat_length.clone(),
            )
            .with_optional_override("MANMAN_WORKER_VERIFY_SSL", verify)
            .with_optional_override("MANMAN_WORKER_EXCLUSIVE", self.exclusive.then_some("true"))
            .with_optional_override("MANMAN_WORKER_ON_SIGTERM", self.on_sigterm.clone())
            .with_optional_override("MANMAN_WORKER_HEALTH_PORT", self.health_port.clone())
    }
}

#[derive(Debug, Args)]
pub struct UpOptions {
    /// Add a demo game server to the catalogue (once), and print how to try it with an agent
    #[arg(long)]
    pub demo: bool,
    /// Port of the Experience API
    #[arg(long, default_value_t = 8000)]
    pub experience_port: u16,
    /// Port of the Worker DAL API
    #[arg(long, default_value_t = 8001)]
    pub worker_dal_port: u16,
    /// Port of the Status API
    #[arg(long, default_value_t = 8002)]
    pub status_port: u16,
    /// Port of the status processor's health
    #[arg(long, default_value_t = 8003)]
    pub processor_port: u16,
}

#[derive(Debug, Args)]
pub struct CreateMigrationOptions {
    /// What it does, in a few words: letters, digits, blanks, - and _
    #[arg(required_unless_present = "migration_message", conflicts_with = "migration_message")]
    pub name: Option<String>,
    /// The same, as v1 spells it
    #[arg(long, value_name = "TEXT")]
    pub migration_message: Option<String>,
    /// Where the migrations are
    #[arg(long, default_value = "migrations", value_name = "DIR")]
    pub directory: std::path::PathBuf,
}

impl CreateMigrationOptions {
    /// The name, however it was given.
    pub fn name(&self) -> &str {
        self.name.as_deref().or(self.migration_message.as_deref()).unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub struct DowngradeOptions {
    /// A revision (it stays applied), -N for the last N, or base for all
    #[arg(value_name = "REVISION", allow_hyphen_values = true)]
    pub target: String,
    /// Allow dropping a log that holds events: they are destroyed
    #[arg(long)]
    pub drop_log: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Api {
    #[value(name = "experience-api")]
    Experience,
    #[value(name = "worker-dal-api")]
    WorkerDal,
    #[value(name = "status-api")]
    Status,
}

/// Without the leading word `host`, which the oldest images put before the subcommand.
pub fn without_host(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    args.enumerate().filter(|(index, word)| *index != 1 || word != "host").map(|(_, word)| word)
}

/// A runtime with as many threads as the subcommand asks for.
pub fn runtime(cli: &Cli) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let threads = match &cli.verb {
        Verb::StartExperienceApi(options)
        | Verb::StartWorkerDalApi(options)
        | Verb::StartStatusApi(options)
        | Verb::StartStatusProcessor(options) => options.workers,
        _ => None,
    };
    if let Some(threads) = threads {
        builder.worker_threads(usize::from(threads));
    }
    builder.enable_all().build()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Verb, without_host};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(without_host(line.split(' ').map(Into::into)))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_leading_host_is_ignored() {
        assert!(matches!(parse("manman host run-migration").unwrap().verb, Verb::RunMigration));
    }

    #[test]
    fn shared_flags_may_stand_before_and_after_the_subcommand() {
        for line in ["manman --app-env dev run-migration", "manman run-migration --app-env dev"] {
            assert_eq!(parse(line).unwrap().settings.app_env.as_deref(), Some("dev"), "{line}");
        }
    }

    #[test]
    fn v1s_flags_are_understood() {
        let line =
            "manman start-experience-api --port 9000 --workers 3 --no-should-run-migration-check";
        let Verb::StartExperienceApi(options) = parse(line).unwrap().verb else { panic!() };
        assert_eq!((options.port, options.workers), (9000, Some(3)));
        assert!(options.no_should_run_migration_check);
    }

    #[test]
    fn a_downgrade_takes_a_negative_step_without_a_separator() {
        let Verb::RunDowngrade(options) = parse("manman run-downgrade -1").unwrap().verb else {
            panic!()
        };
        assert_eq!(options.target, "-1");
        assert!(parse("manman run-downgrade").is_err(), "a target is required");
    }

    #[test]
    fn a_migration_needs_one_name() {
        assert!(parse("manman create-migration").is_err());
        assert!(parse("manman create-migration a --migration-message b").is_err());
        assert!(parse("manman create-migration --migration-message b").is_ok());
    }
}
