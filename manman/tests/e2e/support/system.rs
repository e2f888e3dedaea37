//! All four services as processes of their own, on servers of their own.

use futures::future::join_all;

use super::{Api, Broker, Database, Environment, Program, eventually, free_port, run};

/// The subcommands of the services.
pub const PROCESSES: [&str; 4] =
    ["start-experience-api", "start-worker-dal-api", "start-status-api", "start-status-processor"];

/// Fields are in the order in which they have to end.
pub struct System {
    programs: Vec<(&'static str, Program)>,
    pub experience: Api,
    pub dal: Api,
    pub status: Api,
    /// The status processor has no API but its health.
    pub processor: Api,
    pub broker: Broker,
    pub database: Database,
    environment: Environment,
}

impl System {
    /// Everything, ready.
    pub async fn start() -> Self {
        let database = Database::create().await;
        let url = database.url();
        Self::start_on(database, &url).await
    }

    /// The same, with a way to the database that is not the straight one.
    pub async fn start_on(database: Database, url: &str) -> Self {
        let broker = Broker::start().await;
        let environment = environment(url, Some(&broker));
        run(&["run-migration"], &environment).await.done();
        let apis = PROCESSES.map(|_| Api::at(free_port()));
        let [experience, dal, status, processor] = apis;
        let programs = Vec::new();
        let mut system =
            Self { programs, experience, dal, status, processor, broker, database, environment };
        for name in PROCESSES {
            system.start_process(name);
        }
        system.is_ready().await;
        system
    }

    /// Starts one of the processes, where it was.
    pub fn start_process(&mut self, name: &'static str) {
        self.start_process_with(name, &Environment::new());
    }

    /// The same, with settings of its own.
    pub fn start_process_with(&mut self, name: &'static str, settings: &Environment) {
        let port = self.api(name).port.to_string();
        let environment = self.environment_with(settings);
        let program = Program::start(&[name, "--port", &port], &environment);
        self.programs.push((name, program));
    }

    /// What a process of this system is told, and these settings.
    pub fn environment_with(&self, settings: &Environment) -> Environment {
        [&self.environment[..], settings].concat()
    }

    /// Hands a running process over.
    pub fn take_process(&mut self, name: &str) -> Program {
        let place = self.programs.iter().position(|(other, _)| *other == name).unwrap();
        self.programs.remove(place).1
    }

    /// Where one of the processes answers.
    pub fn api(&self, name: &str) -> &Api {
        let apis = [&self.experience, &self.dal, &self.status, &self.processor];
        PROCESSES.iter().zip(apis).find(|(other, _)| **other == name).unwrap().1
    }

    /// Waits until every process says that it is ready.
    pub async fn is_ready(&self) {
        eventually("everything is ready", async || self.readiness().await == [true; 4]).await;
    }

    /// Which of the four processes say that they are ready.
    pub async fn readiness(&self) -> Vec<bool> {
        join_all(PROCESSES.map(|name| self.api(name).is_well("/readyz"))).await
    }

    /// Ends all processes as an operator does; each must end well.
    pub async fn stop(self) -> (Broker, Database) {
        for (_, program) in &self.programs {
            program.signal("TERM").await;
        }
        for (name, program) in self.programs {
            let ended = program.ends().await;
            assert!(ended.success(), "{name}: {ended}");
        }
        (self.broker, self.database)
    }
}

/// The settings of a process. Only what is needed: what the tests' own surroundings say does not matter.
pub fn environment(database_url: &str, broker: Option<&Broker>) -> Environment {
    let mut environment = broker.map(broker_environment).unwrap_or_default();
    environment.push(("MANMAN_POSTGRES_URL", database_url.to_owned()));
    environment
}

/// What a process is told of the broker.
pub fn broker_environment(broker: &Broker) -> Environment {
    vec![
        ("MANMAN_RABBITMQ_HOST", "127.0.0.1".to_owned()),
        ("MANMAN_RABBITMQ_PORT", broker.port.to_string()),
    ]
}
