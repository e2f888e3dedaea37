//! What most do: a serial id, and `WHERE id > last ORDER BY id`. An id is drawn when an event is written and seen when
//! it is committed, and in between others are committed that drew theirs later.

use std::time::Duration;

use sqlx::postgres::PgQueryResult;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::replicas::pool;
use crate::storm::{Book, Committed, Race};

/// postgres-es's table, with an id to read it by.
const TABLE: &str = "
    CREATE TABLE plain_events (
        id             bigserial PRIMARY KEY,
        aggregate_type text NOT NULL,
        aggregate_id   text NOT NULL,
        sequence       bigint NOT NULL CHECK (sequence > 0),
        event_type     text NOT NULL,
        event_version  text NOT NULL,
        payload        json NOT NULL,
        metadata       json NOT NULL,
        UNIQUE (aggregate_type, aggregate_id, sequence)
    )";
const INSERT: &str = "
    INSERT INTO plain_events
        (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
    VALUES ('worker', $1, $2, 'WorkerStatusReported', '1', '{\"WorkerStatusReported\":{}}', $3)";
/// The most that is read at once.
const CHUNK: i64 = 1_000;
/// How long to wait before looking again.
const AGAIN: Duration = Duration::from_millis(2);

/// Somebody who polls the table.
pub struct Poller {
    last: watch::Receiver<i64>,
    polling: JoinHandle<Vec<Uuid>>,
}

impl Poller {
    pub async fn start(database: &PgPool, done: &CancellationToken) -> Self {
        sqlx::raw_sql(TABLE).execute(database).await.unwrap();
        let (told, last) = watch::channel(0);
        let polling = tokio::spawn(poll(database.clone(), told, done.clone()));
        Self { last, polling }
    }

    /// When all is written and read.
    pub async fn all_it_saw(self) -> Vec<Uuid> {
        self.polling.await.unwrap()
    }
}

async fn poll(pool: PgPool, told: watch::Sender<i64>, done: CancellationToken) -> Vec<Uuid> {
    let (mut seen, mut last) = (Vec::new(), 0);
    loop {
        let was_done = done.is_cancelled();
        let events: Vec<(i64, Uuid)> = sqlx::query_as(
            "SELECT id, (metadata ->> 'command_id')::uuid FROM plain_events
              WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(last)
        .bind(CHUNK)
        .fetch_all(&pool)
        .await
        .unwrap();
        match events.last() {
            Some((id, _)) => last = *id,
            None if was_done => return seen,
            None => tokio::time::sleep(AGAIN).await,
        }
        seen.extend(events.into_iter().map(|(_, command_id)| command_id));
        told.send_replace(last);
    }
}

#[derive(Clone)]
pub struct OnAPlainTable {
    pool: PgPool,
    /// How far the one who polls is.
    last: watch::Receiver<i64>,
}

impl OnAPlainTable {
    /// With the event that is in the way of all that lose.
    pub async fn prepare(database: &PgPool, poller: &Poller) -> (Self, Uuid) {
        let table = Self { pool: pool(database, 48).await, last: poller.last.clone() };
        let mut connection = table.pool.acquire().await.unwrap();
        let (first, inserted) = insert(&mut connection, "taken", 1).await;
        inserted.unwrap();
        (table, first)
    }
}

async fn insert(
    connection: &mut PgConnection,
    stream: &str,
    sequence: i64,
) -> (Uuid, sqlx::Result<PgQueryResult>) {
    let command_id = Uuid::now_v7();
    let metadata = serde_json::json!({"command_id": command_id});
    let inserted = sqlx::query(INSERT).bind(stream).bind(sequence).bind(metadata);
    (command_id, inserted.execute(connection).await)
}

impl Book for OnAPlainTable {
    fn pool(&self) -> &PgPool {
        &self.pool
    }

    async fn commit(&self, writer: u32, number: u32) -> Committed {
        let mut transaction = self.pool.begin().await.unwrap();
        let sequence = i64::from(number) + 1;
        let (id, inserted) = insert(&mut transaction, &writer.to_string(), sequence).await;
        inserted.unwrap();
        transaction.commit().await.unwrap();
        Committed::Yes(id)
    }

    /// There are no claims here: both races are for a place in a stream.
    async fn lose(&self, _: u32, _: Race) -> Uuid {
        let mut transaction = self.pool.begin().await.unwrap();
        let (id, lost) = insert(&mut transaction, "taken", 1).await;
        assert!(lost.is_err_and(|error| {
            error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
        }));
        transaction.rollback().await.unwrap();
        id
    }

    async fn write(&self, transaction: &mut PgConnection) -> Uuid {
        let (id, inserted) = insert(transaction, &Uuid::now_v7().to_string(), 1).await;
        inserted.unwrap();
        id
    }

    /// Until the one who polls has gone by. That somebody does is a matter of time; here it is certain.
    async fn ripens(&self, transaction: &mut PgConnection) {
        let drawn = "SELECT currval(pg_get_serial_sequence('plain_events', 'id'))";
        let drawn: i64 = sqlx::query_scalar(drawn).fetch_one(transaction).await.unwrap();
        let gone_by = self.last.clone().wait_for(|last| *last > drawn).await.is_ok();
        assert!(gone_by, "somebody polls");
    }
}
