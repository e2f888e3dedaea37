//! What happens in a fleet, event by event, in the order of its own clock.
//!
//! A host runs two game servers at a time, one life after the other. A life is asked for, installed with
//! progress reported, runs between two minutes and two hours, or for days one time in twenty, with words
//! to its console now and then, and is stopped or crashes: 13 events on average, which make 3.4 rows (an
//! instance and its requests). Three hosts in four have a named native worker, whose agent is replaced
//! now and then; the others are v1's, where each agent is another worker. Some are lost and found again.
//! Each host brings a config with its options. About 6,000 instances are open at any time in a fleet of
//! 3,000 hosts, so that what changes next is rarely what changed last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{Duration, TimeZone, Utc};
use domain::game_server::{GameServerEvent, ServerType};
use domain::game_server_config::{GameServerConfigEvent, OptionType};
use domain::worker::{Surface, WorkerClosedBy, WorkerEvent};
use domain::{
    Event, GameServerConfigId, GameServerConfigOptionId, GameServerId, Instant, RequestId,
    Standing, StatusType, WorkerId,
};
use event_store::Actor;
use uuid::Uuid;

use super::life::{Life, Next};
use super::random::Random;

/// Game servers of the catalogue; the first three are v1's, which every log begins with.
const GAME_SERVERS: i32 = 40;
/// Configs that every log begins with.
const V1_CONFIGS: i32 = 2;
const OPTIONS: i32 = 3;
/// Game servers that run on a host at the same time.
pub(super) const PLACES: usize = 2;

/// An event, whose it is, and who caused it.
pub struct Happened {
    /// The stream's id; its type follows from the event.
    pub aggregate_id: i32,
    /// What.
    pub event: Event,
    /// By whom.
    pub actor: Actor,
}

/// The fleet.
pub struct Fleet {
    pub(super) random: Random,
    pub(super) now: Instant,
    hosts: Vec<Host>,
    lives: Vec<Option<Life>>,
    /// Who does something next: a place of a host.
    agenda: BinaryHeap<Reverse<(Instant, usize)>>,
    workers: i32,
    pub(super) instances: i32,
    /// What just happened, and is not told yet.
    pub(super) happened: Vec<Happened>,
}

/// A machine, and who speaks for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Host {
    pub(super) worker: i32,
    pub(super) config: i32,
    is_native: bool,
}

impl Fleet {
    /// One of so many hosts, which join it over the first hours.
    pub fn new(hosts: usize) -> Self {
        let begin = Utc.timestamp_opt(1_767_225_600, 0).single().unwrap_or_default();
        let mut fleet = Self {
            random: Random(4),
            now: begin,
            hosts: vec![Host::default(); hosts],
            lives: (0..hosts * PLACES).map(|_| None).collect(),
            agenda: BinaryHeap::new(),
            workers: 0,
            instances: 0,
            happened: Vec::new(),
        };
        for place in 0..hosts * PLACES {
            let joins = Duration::seconds(fleet.random.between(0, 36_000) as i64);
            fleet.agenda.push(Reverse((begin + joins, place)));
        }
        (4..=GAME_SERVERS).for_each(|id| fleet.add_game_server(id));
        fleet
    }

    /// What happens next, and when.
    pub fn next(&mut self) -> (Instant, Vec<Happened>) {
        while self.happened.is_empty() {
            self.go_on();
        }
        (self.now, std::mem::take(&mut self.happened))
    }

    fn go_on(&mut self) {
        let Some(Reverse((at, place))) = self.agenda.pop() else { return };
        self.now = at;
        let wait = match self.lives[place].take() {
            None => self.begin(place),
            Some(life) => match life.go_on(self) {
                Next::After(wait, life) => {
                    self.lives[place] = Some(life);
                    wait
                }
                Next::Ended => Duration::seconds(self.random.between(60, 1_200) as i64),
            },
        };
        self.agenda.push(Reverse((at + wait, place)));
    }

    /// A user asks for the next life.
    fn begin(&mut self, place: usize) -> Duration {
        let number = place / PLACES;
        if self.hosts[number].worker == 0 {
            self.join(number);
        } else if self.random.happens(2) {
            self.replace_agent(number);
        }
        let (wait, life) = Life::asked_for(self, self.hosts[number]);
        self.lives[place] = Some(life);
        wait
    }

    fn join(&mut self, number: usize) {
        let config = V1_CONFIGS + 1 + number as i32;
        self.hosts[number] = Host { worker: 0, config, is_native: !number.is_multiple_of(4) };
        self.add_config(config);
        self.register(number);
    }

    /// A native worker goes on with another agent, a v1 worker is followed by another one.
    fn replace_agent(&mut self, number: usize) {
        let Host { worker, is_native, .. } = self.hosts[number];
        if is_native {
            return self.attach(worker);
        }
        self.register(number);
        let by = WorkerClosedBy::SupersededBy(WorkerId(self.hosts[number].worker));
        let closed = WorkerEvent::WorkerClosed { closed_at: self.now, by, name: None };
        self.worker(worker, closed, Actor::agent(format!("worker/{worker}")));
        let ended = WorkerEvent::WorkerStatusConcluded { as_of: self.now };
        self.worker(worker, ended, Actor::system("liveness"));
    }

    fn register(&mut self, number: usize) {
        self.workers += 1;
        let worker = self.workers;
        self.hosts[number].worker = worker;
        let is_native = self.hosts[number].is_native;
        let registered = WorkerEvent::WorkerRegistered {
            worker_id: WorkerId(worker),
            surface: if is_native { Surface::Native } else { Surface::V1 },
            name: is_native.then(|| format!("host-{number}.example.net")),
            registered_at: self.now,
        };
        self.worker(worker, registered, Actor::agent(format!("worker/{worker}")));
        if is_native {
            self.attach(worker);
        }
        for status in [StatusType::Created, StatusType::Running] {
            let reported = WorkerEvent::WorkerStatusReported {
                status,
                reported_as_of: self.now,
                as_of: self.now,
                standing: Standing::Current,
            };
            self.worker(worker, reported, Actor::agent(format!("worker/{worker}")));
        }
    }

    fn attach(&mut self, worker: i32) {
        let attached = WorkerEvent::AgentAttached {
            agent_id: self.uuid(),
            agent_version: "1.4.2".to_owned(),
            attached_at: self.now,
        };
        self.worker(worker, attached, Actor::agent(format!("worker/{worker}")));
    }

    fn add_game_server(&mut self, id: i32) {
        let event = Event::GameServer(GameServerEvent::GameServerAdded {
            game_server_id: GameServerId(id),
            name: format!("game-{id}"),
            server_type: ServerType::Steam,
            app_id: 1_000_000 + id,
        });
        self.happened.push(Happened { aggregate_id: id, event, actor: Actor::user("anna") });
    }

    fn add_config(&mut self, id: i32) {
        let mut events = vec![GameServerConfigEvent::GameServerConfigAdded {
            game_server_config_id: GameServerConfigId(id),
            game_server_id: game_server_of(id),
            name: format!("config-{id}"),
            is_default: false,
            is_visible: true,
            executable: "bin/server.x86_64".to_owned(),
            args: ["-dedicated", "-port", "27015", "+map", "harbour"].map(str::to_owned).to_vec(),
            env_var: vec!["LD_LIBRARY_PATH=$INSTALL_DIR/linux64".to_owned()],
            post_install_commands: Vec::new(),
        }];
        events.extend((0..OPTIONS).map(|order| GameServerConfigEvent::ConfigOptionAdded {
            game_server_config_option_id: GameServerConfigOptionId(id * OPTIONS + order),
            option_type: OptionType::Arg,
            value: format!("+players {order}"),
            order,
            is_enabled: true,
            description: None,
        }));
        self.happened.extend(events.into_iter().map(|event| Happened {
            aggregate_id: id,
            event: Event::Config(event),
            actor: Actor::user("anna"),
        }));
    }

    pub(super) fn worker(&mut self, id: i32, event: WorkerEvent, actor: Actor) {
        let event = Event::Worker(event);
        self.happened.push(Happened { aggregate_id: id, event, actor });
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let bits = u128::from(self.random.number()) << 64 | u128::from(self.random.number());
        let millis = self.now.timestamp_millis() as u64;
        let random = bits.to_be_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    pub(super) fn request(&mut self) -> RequestId {
        RequestId(self.uuid())
    }

    /// So many seconds later, on the fleet's clock.
    pub(super) fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::milliseconds(self.random.between(from * 1_000, to * 1_000) as i64)
    }
}

/// The game server of a config.
pub(super) fn game_server_of(config: i32) -> GameServerId {
    GameServerId(config % GAME_SERVERS + 1)
}
