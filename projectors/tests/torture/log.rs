//! A storm's events on the log: workers, instances, requests and game servers, through the repositories of four
//! processes. Every command comes to one event, and what identifies it is the command's id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use domain::game_server::{GameServerCommand, ServerType};
use domain::game_server_instance::InstanceCommand;
use domain::worker::{Outcome, Request, Surface, WorkerCommand, WorkerEvent};
use domain::{
    GameServerConfigId, GameServerId, GameServerInstanceId, RequestId, StatusReport, StatusType,
    WorkerId,
};
use event_store::{
    Actor, ActorKind, AppendError, CommandContext, Commit, EventStore, ExecuteError, Executed,
    LogOptions, Metadata, NewEvent,
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::replicas::pool;
use crate::storm::{Book, Committed, Race};
use crate::support::System;
use crate::support::commands::at;

/// As many processes append; across them writers do lose races.
const STORES: usize = 4;
/// Workers that all writers write to. Each has one of its own, too.
const SHARED: u32 = 16;
const FIRST_OWN: u32 = 1_000;
/// What nobody else uses, from here on.
const FIRST_OTHER: i32 = 1_000_000_000;
/// The name that worker 1 has.
const TAKEN: &str = "taken";

const APPEND: &str = "SELECT append_events(
    ARRAY[NULL::uuid], ARRAY[NULL::text], ARRAY[NULL::text],
    ARRAY[0], ARRAY[$1], ARRAY['worker'], ARRAY[$2], ARRAY[1::bigint],
    ARRAY['WorkerRegistered'], ARRAY['1'], ARRAY[$3], ARRAY[$4], '{}', '{}', '{}', '{}', '{}', '{}')";

#[derive(Clone)]
pub struct OnTheLog {
    pool: PgPool,
    stores: Vec<EventStore>,
    other: Arc<AtomicI32>,
}

impl OnTheLog {
    /// With all workers registered.
    pub async fn prepare(system: &System) -> Self {
        let mut stores = Vec::new();
        for _ in 0..STORES {
            stores.push(EventStore::start(pool(&system.pool, 20).await, LogOptions::default()));
        }
        let other = Arc::new(AtomicI32::new(FIRST_OTHER));
        let log = Self { pool: pool(&system.pool, 8).await, stores, other };
        for id in (1..=SHARED).chain((0..64).map(|writer| FIRST_OWN + writer)) {
            let command = register(id, (id == 1).then(|| TAKEN.to_owned()));
            log.stores[0].workers.create(&id.to_string(), command, &seed()).await.unwrap();
        }
        log
    }

    fn store(&self, writer: u32) -> &EventStore {
        &self.stores[writer as usize % STORES]
    }

    fn next_other(&self) -> i32 {
        self.other.fetch_add(1, Ordering::Relaxed)
    }

    async fn worker(&self, writer: u32, id: u32, command: WorkerCommand) -> Committed {
        let context = context();
        let executed = self.store(writer).workers.execute(&id.to_string(), command, &context).await;
        committed(&context, executed)
    }

    async fn instance(&self, writer: u32, id: i32, command: InstanceCommand) -> Committed {
        let context = context();
        let store = self.store(writer);
        let executed = store.instances.execute(&id.to_string(), command, &context).await;
        committed(&context, executed)
    }

    async fn add_game_server(&self, writer: u32, id: i32) -> Committed {
        let context = context();
        let command = GameServerCommand::Add {
            game_server_id: GameServerId(id),
            name: format!("game-{id}"),
            server_type: ServerType::Local,
            app_id: id,
        };
        let store = self.store(writer);
        let executed = store.game_servers.create(&id.to_string(), command, &context).await;
        committed(&context, executed)
    }

    /// Its first request, or that request's outcome, then the second …
    async fn request(&self, writer: u32, number: u32) -> Committed {
        let request_id =
            RequestId(Uuid::from_u128(u128::from(writer) << 64 | u128::from(number / 2)));
        let now = at(i64::from(number));
        let command = if number.is_multiple_of(2) {
            let request = Request::Start { game_server_config_id: GameServerConfigId(1) };
            WorkerCommand::Request { request_id, request, at: now, deadline: at(i64::MAX >> 32) }
        } else {
            let outcome = Outcome::Refused { reason: "no room".to_owned() };
            WorkerCommand::Resolve { request_id, outcome, at: now }
        };
        self.worker(writer, FIRST_OWN + writer, command).await
    }
}

impl Book for OnTheLog {
    fn pool(&self) -> &PgPool {
        &self.pool
    }

    async fn commit(&self, writer: u32, number: u32) -> Committed {
        let instance = i32::try_from(writer * 1_000_000 + number / 8).unwrap() + 1;
        // Later than all before, of this writer and of any other.
        let report = |status| {
            let as_of = at(i64::from(number) * 64 + i64::from(writer));
            StatusReport { status, as_of, received_at: as_of }
        };
        let reports = |status| InstanceCommand::ReportStatus(report(status).into());
        let running = WorkerCommand::ReportStatus(report(StatusType::Running));
        match number % 8 {
            0 | 1 => self.worker(writer, FIRST_OWN + writer, running).await,
            2 => self.worker(writer, (writer + number / 8) % SHARED + 1, running).await,
            3 => self.instance(writer, instance, create(instance, writer)).await,
            4 => self.instance(writer, instance, reports(StatusType::Created)).await,
            5 => self.instance(writer, instance, reports(StatusType::Running)).await,
            6 => self.instance(writer, instance, reports(StatusType::Complete)).await,
            _ if number % 64 == 63 => {
                let id = i32::try_from(FIRST_OWN + writer * 100_000 + number / 64).unwrap();
                self.add_game_server(writer, id).await
            }
            _ => self.request(writer, number / 8).await,
        }
    }

    async fn lose(&self, writer: u32, race: Race) -> Uuid {
        let store = self.store(writer);
        match race {
            Race::Version => {
                let metadata = metadata();
                let id = metadata.command_id;
                let first = registered(FIRST_OWN + writer, None);
                let commit =
                    Commit { events: vec![first], claims: Vec::new(), metadata, answer: None };
                let lost = store.log.append(commit).await;
                assert!(matches!(lost, Err(AppendError::Conflict)), "{lost:?}");
                id
            }
            Race::Claim => {
                let (context, id) = (context(), self.next_other());
                let command = register(u32::try_from(id).unwrap(), Some(TAKEN.to_owned()));
                let lost = store.workers.create(&id.to_string(), command, &context).await;
                assert!(matches!(lost, Err(ExecuteError::ClaimTaken(_))), "{lost:?}");
                context.command_id
            }
        }
    }

    async fn write(&self, transaction: &mut PgConnection) -> Uuid {
        let metadata = metadata();
        let event = registered(u32::try_from(self.next_other()).unwrap(), None);
        sqlx::query(APPEND)
            .bind(event.event_id)
            .bind(&event.aggregate_id)
            .bind(&event.payload)
            .bind(serde_json::to_string(&metadata).unwrap())
            .execute(transaction)
            .await
            .unwrap();
        metadata.command_id
    }

    /// Nobody can go by.
    async fn ripens(&self, _: &mut PgConnection) {}
}

fn committed<A, E>(
    context: &CommandContext,
    executed: Result<Executed<A>, ExecuteError<E>>,
) -> Committed
where
    A: std::fmt::Debug,
    E: std::error::Error,
{
    match executed {
        Ok(Executed::Done { position: Some(_), .. }) => Committed::Yes(context.command_id),
        Err(ExecuteError::Busy | ExecuteError::Append(AppendError::Unavailable(_))) => {
            Committed::No
        }
        Err(ExecuteError::Append(AppendError::OutcomeUnknown(_))) => {
            Committed::Unknown(context.command_id)
        }
        other => panic!("{other:?}"),
    }
}

fn context() -> CommandContext {
    CommandContext::new(Actor::system("torture"), Uuid::now_v7())
}

/// Of what is written before the storm.
fn seed() -> CommandContext {
    CommandContext::new(Actor::system("seed"), Uuid::now_v7())
}

fn metadata() -> Metadata {
    let id = Uuid::now_v7();
    Metadata {
        actor_kind: ActorKind::System,
        actor_id: "torture".to_owned(),
        correlation_id: id,
        causation_id: None,
        command_id: id,
        reason: None,
    }
}

fn register(id: u32, name: Option<String>) -> WorkerCommand {
    let worker_id = WorkerId(i32::try_from(id).unwrap());
    let surface = if name.is_some() { Surface::Native } else { Surface::V1 };
    WorkerCommand::Register { worker_id, surface, name, agent: None, at: at(0) }
}

/// A worker's first event, as nobody should write it by hand.
fn registered(id: u32, name: Option<String>) -> NewEvent {
    let payload = WorkerEvent::WorkerRegistered {
        worker_id: WorkerId(i32::try_from(id).unwrap()),
        surface: Surface::V1,
        name,
        registered_at: at(0),
    };
    NewEvent {
        event_id: Uuid::now_v7(),
        aggregate_type: "worker",
        aggregate_id: id.to_string(),
        sequence: 1,
        event_type: "WorkerRegistered".to_owned(),
        event_version: "1".to_owned(),
        payload: serde_json::to_string(&payload).unwrap(),
    }
}

fn create(id: i32, writer: u32) -> InstanceCommand {
    InstanceCommand::Create {
        game_server_instance_id: GameServerInstanceId(id),
        game_server_config_id: GameServerConfigId(1),
        game_server_id: GameServerId(1),
        worker_id: WorkerId(i32::try_from(FIRST_OWN + writer).unwrap()),
        at: at(0),
    }
}
