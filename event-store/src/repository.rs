//! Load, decide, append, retry: how every command is carried out.

use std::sync::{Arc, PoisonError, RwLock};

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, AggregateError, DomainEvent, EventStore as _};
use domain::{Claim, Claims};
use quick_cache::sync::Cache;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tracing::debug;
use uuid::Uuid;

use crate::log::Cached;
use crate::{Actor, Answer, AppendError, Commit, Log, LogRepository, Metadata, NewEvent, Position};

/// How often a command is decided anew after losing a race on its stream.
const ATTEMPTS: usize = 8;

/// On whose behalf a command is carried out.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Who.
    pub actor: Actor,
    /// The request it belongs to.
    pub correlation_id: Uuid,
    /// The event or message that directly caused it, if any.
    pub causation_id: Option<Uuid>,
    /// The command's id.
    pub command_id: Uuid,
    /// Why, in words.
    pub reason: Option<String>,
    /// Given when the caller chose `command_id`: the answer a retry of it is to get.
    pub answer: Option<Answer>,
}

impl CommandContext {
    /// A command of its own: it is its own correlation and caused by nothing on the log.
    #[must_use]
    pub fn new(actor: Actor, command_id: Uuid) -> Self {
        Self {
            actor,
            correlation_id: command_id,
            causation_id: None,
            command_id,
            reason: None,
            answer: None,
        }
    }

    fn metadata(&self) -> Metadata {
        Metadata {
            actor_kind: self.actor.kind,
            actor_id: self.actor.id.clone(),
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            command_id: self.command_id,
            reason: self.reason.clone(),
        }
    }
}

/// An aggregate as of a version.
#[derive(Debug)]
pub struct Loaded<A> {
    /// Its state.
    pub state: Arc<A>,
    /// The sequence of its last event; zero when it was never born.
    pub version: i64,
}

impl<A> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), version: self.version }
    }
}

/// What became of a command.
#[derive(Debug)]
pub enum Executed<A> {
    /// It was carried out, or there was nothing to do.
    Done {
        /// The aggregate after it.
        after: Loaded<A>,
        /// Where its last event stands; `None` when there was nothing to do.
        position: Option<Position>,
    },
    /// Its id was answered before; this is the first answer.
    Repeated {
        /// The first answer.
        response: Box<RawValue>,
        /// Where the first was written.
        position: Position,
    },
}

impl<A> Executed<A> {
    /// Where the command's effect stands on the log, if it had one.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Done { position, .. } => *position,
            Self::Repeated { position, .. } => Some(*position),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error + 'static> {
    /// The domain says no.
    #[error(transparent)]
    Refused(E),
    /// A rule over many aggregates says no: another stream holds this.
    #[error("{0} is taken")]
    ClaimTaken(Claim),
    /// The command id was used for another request.
    #[error("the command id was used for another request")]
    IdReused,
    /// Too many others wrote to the stream at the same time.
    #[error("the aggregate is too busy")]
    Busy,
    /// The stored stream cannot be read by this version.
    #[error("the stream is unreadable: {0}")]
    Unreadable(String),
    /// The log did not take it.
    #[error(transparent)]
    Append(AppendError),
}

impl<E: std::error::Error> From<AppendError> for ExecuteError<E> {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::ClaimTaken(claim) => Self::ClaimTaken(claim),
            AppendError::Conflict => Self::Busy,
            other => Self::Append(other),
        }
    }
}

/// One cached aggregate. The gate lets one command at a time decide on it in this process, so that
/// concurrent commands queue instead of losing races; the state is readable meanwhile.
struct Entry<A> {
    gate: Mutex<()>,
    slot: RwLock<Slot<A>>,
}

struct Slot<A> {
    loaded: Option<Loaded<A>>,
    /// The stream is known to have come this far: a read that began before and ended later is stale.
    reached: i64,
}

impl<A> Entry<A> {
    fn new() -> Self {
        Self { gate: Mutex::new(()), slot: RwLock::new(Slot { loaded: None, reached: 0 }) }
    }

    fn get(&self) -> Option<Loaded<A>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner).loaded.clone()
    }

    fn set(&self, loaded: Loaded<A>) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.version >= slot.reached {
            slot.loaded = Some(loaded);
        }
    }

    fn forget(&self) {
        self.slot.write().unwrap_or_else(PoisonError::into_inner).loaded = None;
    }

    fn reached(&self, version: i64) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        slot.reached = slot.reached.max(version);
        if slot.loaded.as_ref().is_some_and(|loaded| loaded.version < version) {
            slot.loaded = None;
        }
    }
}

struct Entries<A>(Cache<String, Arc<Entry<A>>>);

impl<A> Entries<A> {
    fn entry(&self, id: &str) -> Arc<Entry<A>> {
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Entry::new()));
        match self.0.get_or_insert_with(id, new) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }
}

impl<A: Aggregate> Cached for Entries<A> {
    fn reached(&self, aggregate_type: &str, aggregate_id: &str, version: i64) {
        if aggregate_type != A::TYPE {
            return;
        }
        if let Some(entry) = self.0.get(aggregate_id) {
            entry.reached(version);
        }
    }

    fn forget_all(&self) {
        self.0.clear();
    }
}

/// The aggregates of one type over the log.
pub struct Repository<A: Aggregate> {
    log: Log,
    stored: Arc<PersistedEventStore<LogRepository, A>>,
    entries: Arc<Entries<A>>,
}

impl<A: Aggregate> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self {
            log: self.log.clone(),
            stored: Arc::clone(&self.stored),
            entries: Arc::clone(&self.entries),
        }
    }
}

impl<A> Repository<A>
where
    A: Aggregate<Services = ()> + Clone + 'static,
    A::Command: Clone + Send + Sync,
    A::Event: Claims,
    A::Error: Send + 'static,
{
    /// The aggregates of type `A`, cached in this process and kept true by the log's tail.
    #[must_use]
    pub fn new(log: &Log) -> Self {
        let snapshot_every = usize::try_from(log.options().snapshot_every).unwrap_or(usize::MAX);
        let stored = PersistedEventStore::new_snapshot_store(
            LogRepository::new(log.clone()),
            snapshot_every,
        )
        .with_upcasters(domain::upcasters().into_inner());
        let entries = Arc::new(Entries(Cache::new(log.options().cached_aggregates)));
        let cached: Arc<dyn Cached> = entries.clone();
        log.keep_true(Arc::downgrade(&cached));
        Self { log: log.clone(), stored: Arc::new(stored), entries }
    }

    /// The aggregate's state and version; version zero when it was never born. From memory when it
    /// is there: at most the time a notification takes behind what other processes wrote.
    ///
    /// # Errors
    /// When it must be read and cannot be.
    pub async fn load(&self, id: &str) -> Result<Loaded<A>, ExecuteError<A::Error>> {
        let entry = self.entries.entry(id);
        if let Some(loaded) = entry.get() {
            return Ok(loaded);
        }
        let _gate = entry.gate.lock().await;
        self.loaded(id, &entry).await
    }

    /// Carries a command out on an aggregate: load, decide, append; a lost race is decided anew.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(
        &self,
        id: &str,
        command: A::Command,
        context: &CommandContext,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let entry = self.entries.entry(id);
        self.execute_on(&entry, id, command, context).await
    }

    /// Carries out the command that gives birth to an aggregate whose id was just allocated: nothing
    /// needs to be read.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn create(
        &self,
        id: &str,
        command: A::Command,
        context: &CommandContext,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let entry = self.entries.entry(id);
        if entry.get().is_none() {
            entry.set(Loaded { state: Arc::new(A::default()), version: 0 });
        }
        self.execute_on(&entry, id, command, context).await
    }

    async fn execute_on(
        &self,
        entry: &Entry<A>,
        id: &str,
        command: A::Command,
        context: &CommandContext,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let _gate = entry.gate.lock().await;
        for _ in 0..ATTEMPTS {
            let before = self.loaded(id, entry).await?;
            let (after, events) = decide(&before, command.clone()).await?;
            if events.is_empty() {
                return Ok(Executed::Done { after: before, position: None });
            }
            let commit = commit::<A>(id, before.version, &events, context)?;
            // Whether this future is dropped half-way or the append fails, memory must not keep a state
            // that the log may have left behind.
            entry.forget();
            match self.log.append(commit).await {
                Ok(appended) => {
                    entry.set(after.clone());
                    self.snapshot_if_due(id, before.version, &after);
                    return Ok(Executed::Done { after, position: Some(appended.last) });
                }
                Err(AppendError::Conflict) => {}
                Err(AppendError::Repeated { fingerprint, response, position }) => {
                    let asked = context.answer.as_ref().map(|answer| answer.fingerprint.as_str());
                    return if asked == Some(fingerprint.as_str()) {
                        Ok(Executed::Repeated { response, position })
                    } else {
                        Err(ExecuteError::IdReused)
                    };
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ExecuteError::Busy)
    }

    async fn loaded(
        &self,
        id: &str,
        entry: &Entry<A>,
    ) -> Result<Loaded<A>, ExecuteError<A::Error>> {
        if let Some(loaded) = entry.get() {
            return Ok(loaded);
        }
        let stored = self.stored.load_aggregate(id).await.map_err(load_error)?;
        let loaded =
            Loaded { state: Arc::new(stored.aggregate), version: stored.current_sequence as i64 };
        entry.set(loaded.clone());
        Ok(loaded)
    }

    /// Snapshots are a cache: written beside the command, and only missed when they fail.
    fn snapshot_if_due(&self, id: &str, before: i64, after: &Loaded<A>) {
        let every = self.log.options().snapshot_every;
        if before / every == after.version / every {
            return;
        }
        let (pool, id, after) = (self.log.pool().clone(), id.to_owned(), after.clone());
        tokio::spawn(async move {
            let written = sqlx::query(
                "INSERT INTO snapshots AS s (aggregate_type, aggregate_id, last_sequence, current_snapshot, payload)
                 VALUES ($1, $2, $3, 1, $4)
                 ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE
                    SET last_sequence = excluded.last_sequence, payload = excluded.payload,
                        current_snapshot = s.current_snapshot + 1
                  WHERE s.last_sequence < excluded.last_sequence",
            )
            .bind(A::TYPE)
            .bind(&id)
            .bind(after.version)
            .bind(sqlx::types::Json(&*after.state))
            .execute(&pool)
            .await;
            if let Err(error) = written {
                debug!(%error, aggregate_type = A::TYPE, aggregate_id = id, "snapshot not written");
            }
        });
    }
}

async fn decide<A>(
    before: &Loaded<A>,
    command: A::Command,
) -> Result<(Loaded<A>, Vec<A::Event>), ExecuteError<A::Error>>
where
    A: Aggregate<Services = ()> + Clone,
    A::Error: 'static,
{
    let mut state = A::clone(&before.state);
    let sink = EventSink::default();
    state.handle(command, &(), &sink).await.map_err(ExecuteError::Refused)?;
    let events = sink.collect().await;
    let version = before.version + events.len() as i64;
    Ok((Loaded { state: Arc::new(state), version }, events))
}

fn commit<A>(
    id: &str,
    version: i64,
    events: &[A::Event],
    context: &CommandContext,
) -> Result<Commit, ExecuteError<A::Error>>
where
    A: Aggregate,
    A::Event: Claims,
    A::Error: 'static,
{
    let claims = events.iter().flat_map(Claims::claims).collect();
    let events = (version + 1..)
        .zip(events)
        .map(|(sequence, event)| {
            Ok(NewEvent {
                event_id: Uuid::now_v7(),
                aggregate_type: A::TYPE,
                aggregate_id: id.to_owned(),
                sequence,
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: serde_json::to_string(event)?,
            })
        })
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| ExecuteError::Unreadable(error.to_string()))?;
    Ok(Commit { events, claims, metadata: context.metadata(), answer: context.answer.clone() })
}

fn load_error<E: std::error::Error>(error: AggregateError<E>) -> ExecuteError<E> {
    match error {
        AggregateError::UserError(refusal) => ExecuteError::Refused(refusal),
        AggregateError::AggregateConflict => ExecuteError::Busy,
        AggregateError::DatabaseConnectionError(error) | AggregateError::UnexpectedError(error) => {
            ExecuteError::Append(AppendError::Unavailable(error.to_string()))
        }
        AggregateError::DeserializationError(error) => ExecuteError::Unreadable(error.to_string()),
    }
}
