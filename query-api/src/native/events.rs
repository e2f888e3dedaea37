//! History, from the log itself: who did what, when and why.
//!
//! The one thing that is not read from a read model. A history of everything that was recorded is the
//! log; a copy of it would only be a log that lags. It is read as it was written: payloads keep the
//! shape of their version, which is told with them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use service::native::schema::Problem as ProblemBody;
use service::native::{Id, PathText, QueryText};
use service::problem::Problem;
use sqlx::types::Json as Stored;
use sqlx::{FromRow, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error;
use crate::{QueryApi, QueryError};

/// How many events a page may have.
const MOST: i64 = 1_000;
/// How many it has if nobody says otherwise.
const USUAL: i64 = 100;

/// Something that happened.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = RecordedEvent)]
pub(super) struct Event {
    /// Its place in the log, as decimal text.
    #[schema(pattern = "^[0-9]+$")]
    position: String,
    /// Its id.
    event_id: Uuid,
    /// What happened, such as `WorkerRegistered`.
    event_type: String,
    /// The version of the payload's shape.
    event_version: String,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// Who caused it.
    #[sqlx(flatten)]
    actor: Actor,
    /// Why, where a reason was given.
    #[schema(required)]
    reason: Option<String>,
    /// The request it belongs to; shared by everything that follows from it.
    correlation_id: String,
    /// The event or message that directly caused it, if one did.
    #[schema(required)]
    causation_id: Option<String>,
    /// What exactly.
    #[schema(value_type = Object)]
    payload: Stored<Box<RawValue>>,
}

/// Who caused something.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = EventActor)]
pub(super) struct Actor {
    /// `user`, `agent` or `system`.
    #[sqlx(rename = "actor_kind")]
    kind: String,
    /// Which one: a user's name, `worker/6`, `liveness`.
    #[sqlx(rename = "actor_id")]
    id: String,
}

/// One page of events, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordedEventPage)]
pub(super) struct Page {
    /// At most `limit` events.
    events: Vec<Event>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// Which part of a history.
#[derive(Clone, Copy)]
pub(super) struct Range {
    after: i64,
    limit: i64,
}

impl Range {
    /// As the parameters `after` and `limit` say.
    pub(super) fn read(query: &QueryText) -> Result<Self, Problem> {
        let after = query.number("after", 0..=i64::MAX)?.unwrap_or(0);
        let limit = query.number("limit", 1..=MOST)?.unwrap_or(USUAL);
        Ok(Self { after, limit })
    }

    /// A page of these events, which may be one more than the limit: then there is another page.
    pub(super) fn page(self, mut events: Vec<Event>) -> Page {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let is_last = events.len() <= limit;
        events.truncate(limit);
        let next = events.last().filter(|_| !is_last).map(|event| event.position.clone());
        Page { events, next }
    }
}

/// Whose events, and which of them.
struct Wanted {
    aggregate_type: &'static str,
    aggregate_id: i32,
    range: Range,
}

/// What happened to an instance, oldest first.
#[utoipa::path(
    get,
    path = "/v1/game-server-instances/{id}/events",
    params(
        ("id" = Id, Path, description = "Id of the instance"),
        ("after" = Option<i64>, Query, description = "Only events after this position, such as the `next` of the page before"),
        ("limit" = Option<i64>, Query, description = "How many at most, 1 to 1000; 100 without it"),
    ),
    responses(
        (status = 200, description = "A page of events", body = Page),
        (status = 404, description = "`game_server_instance_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_events_of_instance(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<Page>, Problem> {
    let page = history(&api, "game_server_instance", &path, &query).await?;
    page.map(Json).ok_or_else(error::instance_not_found)
}

/// What happened to a worker and what was asked of it, oldest first.
#[utoipa::path(
    get,
    path = "/v1/workers/{id}/events",
    params(
        ("id" = Id, Path, description = "Id of the worker"),
        ("after" = Option<i64>, Query, description = "Only events after this position, such as the `next` of the page before"),
        ("limit" = Option<i64>, Query, description = "How many at most, 1 to 1000; 100 without it"),
    ),
    responses(
        (status = 200, description = "A page of events", body = Page),
        (status = 404, description = "`worker_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_events_of_worker(
    State(api): State<QueryApi>,
    path: PathText,
    query: QueryText,
) -> Result<Json<Page>, Problem> {
    let page = history(&api, "worker", &path, &query).await?;
    page.map(Json).ok_or_else(error::worker_not_found)
}

/// `None`: nothing ever happened to such a one, so there is none.
async fn history(
    api: &QueryApi,
    aggregate_type: &'static str,
    path: &PathText,
    query: &QueryText,
) -> Result<Option<Page>, Problem> {
    let id = path.id("id")?;
    let range = Range::read(query)?;
    let Some(aggregate_id) = id else { return Ok(None) };
    let wanted = Wanted { aggregate_type, aggregate_id, range };
    let events = events(&api.reads, &wanted).await.map_err(QueryError::from)?;
    if events.is_empty() && !has_events(&api.reads, &wanted).await.map_err(QueryError::from)? {
        return Ok(None);
    }
    Ok(Some(range.page(events)))
}

/// One more than the limit, to see whether there is more. A stream is found by its sequences; `after` is
/// mostly the position of one of its events, and then what is before that is not looked at again.
async fn events(db: impl PgExecutor<'_>, wanted: &Wanted) -> sqlx::Result<Vec<Event>> {
    sqlx::query_as(
        "SELECT position::text, event_id, event_type, event_version, recorded_at,
                metadata ->> 'actor_kind' AS actor_kind, metadata ->> 'actor_id' AS actor_id,
                metadata ->> 'reason' AS reason, metadata ->> 'correlation_id' AS correlation_id,
                metadata ->> 'causation_id' AS causation_id,
                coalesce(payload -> event_type, payload) AS payload
           FROM public.events
          WHERE aggregate_type = $1 AND aggregate_id = $2::text AND position > $3
            AND sequence > coalesce((SELECT seen.sequence FROM public.events seen
                                      WHERE seen.position = $3 AND seen.aggregate_type = $1
                                        AND seen.aggregate_id = $2::text), 0)
          ORDER BY sequence
          LIMIT $4",
    )
    .bind(wanted.aggregate_type)
    .bind(wanted.aggregate_id.to_string())
    .bind(wanted.range.after)
    .bind(wanted.range.limit + 1)
    .fetch_all(db)
    .await
}

/// What was asked of a config's server and how that ended, and what happened to its instances. One more than the limit.
pub(super) async fn of_config(
    db: impl PgExecutor<'_>,
    config_id: i32,
    range: &Range,
) -> sqlx::Result<Vec<Event>> {
    sqlx::query_as(
        "SELECT position::text, event_id, event_type, event_version, recorded_at,
                metadata ->> 'actor_kind' AS actor_kind, metadata ->> 'actor_id' AS actor_id,
                metadata ->> 'reason' AS reason, metadata ->> 'correlation_id' AS correlation_id,
                metadata ->> 'causation_id' AS causation_id,
                coalesce(payload -> event_type, payload) AS payload
           FROM (SELECT e.*
                   FROM read_models.game_server_instances i
                   JOIN public.events e
                     ON e.aggregate_type = 'game_server_instance'
                    AND e.aggregate_id = i.game_server_instance_id::text
                  WHERE i.game_server_config_id = $1
                 UNION ALL
                 SELECT e.*
                   FROM read_models.worker_requests r
                   JOIN public.events e
                     ON e.aggregate_type = 'worker' AND e.aggregate_id = r.worker_id::text
                    AND (e.event_id = r.request_event_id
                         OR (r.outcome <> 'pending' AND e.position = r.position))
                  WHERE r.game_server_config_id = $1) e
          WHERE e.position > $2
          ORDER BY e.position
          LIMIT $3",
    )
    .bind(config_id)
    .bind(range.after)
    .bind(range.limit + 1)
    .fetch_all(db)
    .await
}

async fn has_events(db: impl PgExecutor<'_>, wanted: &Wanted) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM public.events
                         WHERE aggregate_type = $1 AND aggregate_id = $2)",
    )
    .bind(wanted.aggregate_type)
    .bind(wanted.aggregate_id.to_string())
    .fetch_one(db)
    .await
}
