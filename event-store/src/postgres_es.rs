//! The `cqrs-es` repository over our log: loads through postgres-es, persists through the appender.

use cqrs_es::Aggregate;
use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use postgres_es::PostgresEventRepository;
use serde_json::Value;
use uuid::Uuid;

use crate::{AppendError, Commit, Log, NewEvent};

/// Lets anything written against `cqrs-es` work on the log.
///
/// Reading is postgres-es as it is. Persisting goes through the group commit, so that events get
/// their positions in the one place that hands them out. Claims are not known here: commands go
/// through [`crate::Repository`].
pub struct LogRepository {
    log: Log,
    stored: PostgresEventRepository,
}

impl LogRepository {
    /// The repository over a log.
    #[must_use]
    pub fn new(log: Log) -> Self {
        let stored = PostgresEventRepository::new(log.pool().clone());
        Self { log, stored }
    }
}

impl PersistedEventRepository for LogRepository {
    async fn get_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.stored.get_events::<A>(aggregate_id).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.stored.get_last_events::<A>(aggregate_id, last_sequence).await
    }

    async fn get_snapshot<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        self.stored.get_snapshot::<A>(aggregate_id).await
    }

    /// Appends the events as one commit. The snapshot is left to [`crate::Repository`]: it is a cache.
    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        _snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        let Some(first) = events.first() else { return Ok(()) };
        let metadata = serde_json::from_value(first.metadata.clone())?;
        let events = events.iter().map(new_event::<A>).collect();
        let commit = Commit { events, claims: Vec::new(), metadata, answer: None };
        match self.log.append(commit).await {
            Ok(_) => Ok(()),
            Err(AppendError::Conflict) => Err(PersistenceError::OptimisticLockError),
            Err(error) => Err(PersistenceError::ConnectionError(Box::new(error))),
        }
    }

    async fn stream_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<ReplayStream, PersistenceError> {
        self.stored.stream_events::<A>(aggregate_id).await
    }

    /// As postgres-es does it. Never rebuild with this: it can end early without an error.
    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        self.stored.stream_all_events::<A>().await
    }
}

fn new_event<A: Aggregate>(event: &SerializedEvent) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        aggregate_type: A::TYPE,
        aggregate_id: event.aggregate_id.clone(),
        sequence: i64::try_from(event.sequence).unwrap_or(i64::MAX),
        event_type: event.event_type.clone(),
        event_version: event.event_version.clone(),
        payload: event.payload.to_string(),
    }
}
