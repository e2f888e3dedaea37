//! Five status processors, and what is done to them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::changes::{Changes, PROCESS, holder_at};
use crate::support::{
    Api, Database, Environment, Program, System, environment, eventually, free_port,
};

const REPLICAS: usize = 5;
/// One is killed so often.
const KILLED_EVERY: Duration = Duration::from_secs(2);
/// One is paused after so many were killed, and goes on after so many more: longer than its leases last.
const PAUSED_EVERY: usize = 5;
const PAUSED_FOR: usize = 2;

/// Something that is done to a replica.
#[derive(Debug, Clone)]
pub struct Blow {
    /// On the database's clock, just before.
    pub at: DateTime<Utc>,
    /// Whom it hits: the replica and which of its lives.
    pub process: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kill,
    Pause,
    Resume,
}

pub struct Fleet {
    replicas: Vec<Replica>,
    database_url: String,
    environment: Environment,
}

struct Replica {
    number: usize,
    life: usize,
    api: Api,
    /// `None` between two lives.
    program: Option<Program>,
    is_paused: bool,
}

impl Replica {
    fn process(&self) -> String {
        format!("{}.{}", self.number, self.life)
    }
}

impl Fleet {
    pub async fn start(system: &System) -> Self {
        let database_url = system.database.url();
        let environment = environment(&database_url, Some(&system.broker));
        let mut fleet = Self { replicas: Vec::new(), database_url, environment };
        for number in 0..REPLICAS {
            let api = Api::at(free_port());
            let program = Some(fleet.begin_life(number, 0, &api));
            fleet.replicas.push(Replica { number, life: 0, api, program, is_paused: false });
        }
        fleet.is_ready().await;
        fleet
    }

    fn begin_life(&self, number: usize, life: usize, api: &Api) -> Program {
        let url = format!("{}?options[{PROCESS}]={number}.{life}", self.database_url);
        let named = [&self.environment[..], &[("MANMAN_POSTGRES_URL", url)]].concat();
        let port = api.port.to_string();
        Program::start(&["start-status-processor", "--port", &port], &named)
    }

    /// Waits until each says that it is ready.
    pub async fn is_ready(&self) {
        for Replica { number, api, .. } in &self.replicas {
            eventually(&format!("replica {number} is ready"), async || {
                api.is_well("/readyz").await
            })
            .await;
        }
    }

    /// For so long; in the end all run.
    pub async fn suffers(&mut self, database: &Database, duration: Duration) -> Vec<Blow> {
        let (began, mut blows) = (Instant::now(), Vec::new());
        let mut moments = tokio::time::interval(KILLED_EVERY);
        moments.tick().await;
        for number in 0.. {
            moments.tick().await;
            if began.elapsed() >= duration {
                break;
            }
            if number % PAUSED_EVERY == 1 {
                let busy = self.busiest(database, number).await;
                blows.push(self.pause(database, busy).await);
            }
            if number % PAUSED_EVERY == 1 + PAUSED_FOR {
                blows.extend(self.resume(database).await);
            }
            let busy = self.busiest(database, number).await;
            blows.push(self.kill(database, busy).await);
        }
        blows.extend(self.resume(database).await);
        blows
    }

    /// Which of those that run has something to lose: another one each time, as far as there are others.
    async fn busiest(&self, database: &Database, number: usize) -> usize {
        let now = now(database).await;
        let changes = Changes::read(database).await;
        let holders = changes.by_name().filter_map(|(_, its)| Some(holder_at(its, now)?.1));
        let mut busy: Vec<_> = holders
            .filter_map(|process| {
                self.replicas.iter().position(|it| it.process() == process && !it.is_paused)
            })
            .collect();
        busy.sort_unstable();
        busy.dedup();
        if busy.is_empty() {
            return self.replicas.iter().position(|it| !it.is_paused).unwrap();
        }
        busy[number % busy.len()]
    }

    async fn kill(&mut self, database: &Database, place: usize) -> Blow {
        let blow = self.strikes(database, place, Kind::Kill).await;
        let replica = &mut self.replicas[place];
        replica.life += 1;
        // Only when it is gone is its port free.
        replica.program.take().unwrap().ends().await;
        let Replica { number, life, api, .. } = &self.replicas[place];
        self.replicas[place].program = Some(self.begin_life(*number, *life, api));
        blow
    }

    async fn pause(&mut self, database: &Database, place: usize) -> Blow {
        self.replicas[place].is_paused = true;
        self.strikes(database, place, Kind::Pause).await
    }

    async fn resume(&mut self, database: &Database) -> Option<Blow> {
        let place = self.replicas.iter().position(|it| it.is_paused)?;
        self.replicas[place].is_paused = false;
        Some(self.strikes(database, place, Kind::Resume).await)
    }

    async fn strikes(&self, database: &Database, place: usize, kind: Kind) -> Blow {
        let replica = &self.replicas[place];
        let blow = Blow { at: now(database).await, process: replica.process(), kind };
        let signal = match kind {
            Kind::Kill => "KILL",
            Kind::Pause => "STOP",
            Kind::Resume => "CONT",
        };
        replica.program.as_ref().unwrap().signal(signal).await;
        blow
    }

    /// Waits until nobody holds more of the projections than the others leave.
    pub async fn has_fair_shares(&self, database: &Database) {
        let query = format!(
            "SELECT count(*) = count(owner)
                AND max(share) FILTER (WHERE owner IS NOT NULL) <= ceil(sum(share) / {REPLICAS}.0)
               FROM (SELECT owner, count(*) AS share FROM checkpoints
                      WHERE name LIKE 'projector.%' GROUP BY owner) AS shares"
        );
        eventually("the shares are fair", async || database.value(&query).await).await;
    }

    /// Each must end well.
    pub async fn stop(self) {
        for program in self.replicas.iter().flat_map(|replica| &replica.program) {
            program.signal("TERM").await;
        }
        for Replica { number, program, .. } in self.replicas {
            let ended = program.unwrap().ends().await;
            assert!(ended.success(), "replica {number}: {ended}");
        }
    }
}

async fn now(database: &Database) -> DateTime<Utc> {
    database.value("SELECT clock_timestamp()").await
}
