//! Events that a subscription could not handle, and behind each the later ones of its stream.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::Position;

/// An event that a subscription could not handle, or that waits behind such a one of its stream: the
/// first that is parked of a stream is its head.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ParkedEvent {
    /// The name of the subscription's checkpoint.
    pub subscription: String,
    /// Its place on the log.
    pub position: Position,
    /// The stream's aggregate type.
    pub aggregate_type: String,
    /// The stream's aggregate id.
    pub aggregate_id: String,
    /// Its id.
    pub event_id: Uuid,
    /// Its type as stored.
    pub event_type: String,
    /// Why it could not be handled; `None` when it waits.
    pub error: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// Since when, on the database's clock.
    pub parked_at: DateTime<Utc>,
    /// When it was last tried in vain.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// Since when it is to be tried again.
    pub retry_requested_at: Option<DateTime<Utc>>,
}

/// The head of what is parked of a stream, and how much waits behind it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ParkedHead {
    /// The head.
    #[sqlx(flatten)]
    pub event: ParkedEvent,
    /// How many events wait behind it.
    pub waiting: i64,
}

/// The `limit` heads that stand first on the log, of all subscriptions.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<ParkedHead>> {
    sqlx::query_as(
        "SELECT subscription, position, aggregate_type, aggregate_id, event_id, event_type, error,
                attempts, parked_at, last_failed_at, retry_requested_at, waiting
           FROM (SELECT p.*, count(*) OVER stream - 1 AS waiting,
                        position = min(position) OVER stream AS is_head
                   FROM parked_events p
                 WINDOW stream AS (PARTITION BY subscription, aggregate_type, aggregate_id)) parked
          WHERE is_head
          ORDER BY position, subscription LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// One parked event, head or not; `None` when it is not parked for that subscription.
///
/// # Errors
/// When the database does not answer.
pub async fn show(
    connection: &mut PgConnection,
    subscription: &str,
    position: Position,
) -> sqlx::Result<Option<ParkedEvent>> {
    sqlx::query_as(
        "SELECT subscription, position, aggregate_type, aggregate_id, event_id, event_type, error,
                attempts, parked_at, last_failed_at, retry_requested_at
           FROM parked_events WHERE subscription = $1 AND position = $2",
    )
    .bind(subscription)
    .bind(position.0)
    .fetch_optional(connection)
    .await
}

/// All that is parked of the stream of a parked event for its subscription, its head first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_stream(
    connection: &mut PgConnection,
    parked: &ParkedEvent,
) -> sqlx::Result<Vec<ParkedEvent>> {
    sqlx::query_as(
        "SELECT subscription, position, aggregate_type, aggregate_id, event_id, event_type, error,
                attempts, parked_at, last_failed_at, retry_requested_at
           FROM parked_events
          WHERE subscription = $1 AND aggregate_type = $2 AND aggregate_id = $3
          ORDER BY position",
    )
    .bind(&parked.subscription)
    .bind(&parked.aggregate_type)
    .bind(&parked.aggregate_id)
    .fetch_all(connection)
    .await
}

/// Keeps whoever works on a subscription from writing, until this transaction ends. It is to be short;
/// a process that is stopped in the middle of it loses it after five seconds.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn hold(connection: &mut PgConnection, subscription: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', '5s', true)")
        .execute(&mut *connection)
        .await?;
    // Before the parked rows, as those who work on the subscription do it.
    sqlx::query("SELECT FROM checkpoints WHERE name = $1 FOR UPDATE")
        .bind(subscription)
        .execute(connection)
        .await?;
    Ok(())
}

/// Has all that is parked of a stream tried again, by whoever works on the subscription.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn request_retry(
    connection: &mut PgConnection,
    parked: &ParkedEvent,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE parked_events SET retry_requested_at = now()
          WHERE subscription = $1 AND aggregate_type = $2 AND aggregate_id = $3",
    )
    .bind(&parked.subscription)
    .bind(&parked.aggregate_type)
    .bind(&parked.aggregate_id)
    .execute(&mut *connection)
    .await?;
    // Whoever works on it has to look again.
    sqlx::query("UPDATE checkpoints SET epoch = epoch + 1 WHERE name = $1")
        .bind(&parked.subscription)
        .execute(connection)
        .await?;
    Ok(())
}

/// Has nothing that is parked of a stream tried again for now.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn withdraw_retry(
    connection: &mut PgConnection,
    parked: &ParkedEvent,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH withdrawn AS (
             UPDATE parked_events SET retry_requested_at = NULL
              WHERE subscription = $1 AND aggregate_type = $2 AND aggregate_id = $3
         )
         UPDATE checkpoints SET epoch = epoch + 1 WHERE name = $1",
    )
    .bind(&parked.subscription)
    .bind(&parked.aggregate_type)
    .bind(&parked.aggregate_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets a head, and has what waits behind it tried.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn skip(connection: &mut PgConnection, head: &ParkedEvent) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM parked_events WHERE subscription = $1 AND position = $2")
        .bind(&head.subscription)
        .bind(head.position.0)
        .execute(&mut *connection)
        .await?;
    request_retry(connection, head).await
}
