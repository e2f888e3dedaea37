//! Load, decide, append, retry: how every command is carried out.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, AggregateError, DomainEvent, EventStore as _};
use domain::Claims;
use tokio::time::timeout;
use tracing::debug;
use uuid::Uuid;

use crate::cache::{Entries, Entry};
use crate::log::Cached;
use crate::{
    AppendError, CommandContext, Commit, ExecuteError, Executed, Loaded, Log, LogRepository,
    NewEvent,
};

/// How often a command is decided anew after losing a race on its stream.
const ATTEMPTS: usize = 8;

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
        let entries = Arc::new(Entries::new(log.options().cached_aggregates));
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
        let mut gate = entry.gate().await?;
        let loaded = self.loaded(id, &entry).await;
        gate.learn(&loaded);
        loaded
    }

    /// As [`load`](Self::load); while the database is away, what was loaded last, if anything was.
    ///
    /// # Errors
    /// When it must be read and cannot be.
    pub async fn load_or_last(&self, id: &str) -> Result<Loaded<A>, ExecuteError<A::Error>> {
        let away = match self.load(id).await {
            Err(
                away @ ExecuteError::Append(
                    AppendError::Unavailable(_) | AppendError::OutcomeUnknown(_),
                ),
            ) => away,
            known => return known,
        };
        self.entries.entry(id).last().ok_or(away)
    }

    /// As [`load`](Self::load), from the log and not from memory: for a caller who may know of something
    /// before the notification of it was here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn reload(&self, id: &str) -> Result<Loaded<A>, ExecuteError<A::Error>> {
        let entry = self.entries.entry(id);
        let mut gate = entry.gate().await?;
        entry.forget();
        let loaded = self.loaded(id, &entry).await;
        gate.learn(&loaded);
        loaded
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
        let mut gate = entry.gate().await?;
        let executed = self.decide_and_append(entry, id, command, context).await;
        gate.learn(&executed);
        executed
    }

    /// Behind the gate.
    async fn decide_and_append(
        &self,
        entry: &Entry<A>,
        id: &str,
        command: A::Command,
        context: &CommandContext,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        for _ in 0..ATTEMPTS {
            let before = self.loaded(id, entry).await?;
            let (after, events) = decide(&before, command.clone()).await?;
            if events.is_empty() {
                return Ok(Executed::Done { after: before, position: None });
            }
            let commit = commit::<A>(id, before.version, &events, context)?;
            let in_flight = entry.in_flight();
            match self.log.append(commit).await {
                Ok(appended) => {
                    in_flight.landed(after.clone());
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
        let read = timeout(self.log.options().statement_deadline, self.stored.load_aggregate(id));
        let silent = |_| AppendError::Unavailable("the connection fell silent".to_owned());
        let stored = read.await.map_err(silent)?.map_err(load_error)?;
        let loaded =
            Loaded { state: Arc::new(stored.aggregate), version: stored.current_sequence as i64 };
        entry.set(loaded.clone());
        Ok(loaded)
    }

    /// Snapshots are a cache: written beside the command, without waiting for the disk, and only missed
    /// when they fail.
    fn snapshot_if_due(&self, id: &str, before: i64, after: &Loaded<A>) {
        let every = self.log.options().snapshot_every;
        if before / every == after.version / every {
            return;
        }
        let (pool, id, after) = (self.log.pool().clone(), id.to_owned(), after.clone());
        tokio::spawn(async move {
            let written = sqlx::query(
                "INSERT INTO snapshots AS s (aggregate_type, aggregate_id, last_sequence, current_snapshot, payload)
                 SELECT $1, $2, $3, 1, $4 FROM (SELECT set_config('synchronous_commit', 'off', true)) unhurried
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
