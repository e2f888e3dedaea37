//! The tables of heartbeats. Nobody else writes them.

use std::time::Instant;

use sqlx::{Executor, PgConnection, PgExecutor};
use uuid::Uuid;

use super::Entity;

/// `listening_since` starts anew after three seconds without a write: nobody knows who was silent then. Processes that
/// ended are forgotten after a day.
const WRITE: &str = "
    WITH beats AS (
        INSERT INTO heartbeats AS h (entity, entity_id, last_heartbeat_at)
        SELECT b.entity, b.entity_id, now() - b.age * interval '1 microsecond'
          FROM unnest($2::text[], $3::int[], $4::bigint[]) AS b (entity, entity_id, age)
        ON CONFLICT (entity, entity_id) DO UPDATE
           SET last_heartbeat_at = greatest(h.last_heartbeat_at, excluded.last_heartbeat_at)
    ), forgotten AS (
        DELETE FROM heartbeat_intakes
         WHERE last_flush_at < now() - interval '1 day' AND intake_id <> $1
    )
    INSERT INTO heartbeat_intakes AS i (intake_id, listening_since, last_flush_at)
    VALUES ($1, now(), now())
    ON CONFLICT (intake_id) DO UPDATE
       SET listening_since = CASE WHEN i.last_flush_at < now() - interval '3 seconds'
                                  THEN excluded.listening_since ELSE i.listening_since END,
           last_flush_at = excluded.last_flush_at";

/// Writes heartbeats and that this process listens, in one statement.
pub(super) async fn write(
    connection: &mut PgConnection,
    intake_id: Uuid,
    beats: &[(Entity, Instant)],
) -> sqlx::Result<()> {
    // Preparing may wait for locks, once per connection. Ages are taken after that, right before the database reads
    // its clock, or heartbeats would seem younger by as much.
    (&mut *connection).prepare(WRITE).await?;
    let (entities, ids): (Vec<_>, Vec<_>) = beats.iter().map(|(entity, _)| name(*entity)).unzip();
    let ages: Vec<i64> = beats.iter().map(|(_, at)| micros_since(*at)).collect();
    let write = sqlx::query(WRITE).bind(intake_id).bind(entities).bind(ids).bind(ages);
    write.execute(connection).await?;
    Ok(())
}

/// The last heartbeat that was written of an entity.
pub(super) async fn last(
    db: impl PgExecutor<'_>,
    entity: Entity,
) -> sqlx::Result<Option<domain::Instant>> {
    let (entity, id) = name(entity);
    sqlx::query_scalar(
        "SELECT last_heartbeat_at FROM heartbeats WHERE entity = $1 AND entity_id = $2",
    )
    .bind(entity)
    .bind(id)
    .fetch_optional(db)
    .await
}

const fn name(entity: Entity) -> (&'static str, i32) {
    match entity {
        Entity::Worker(id) => ("worker", id.0),
        Entity::Instance(id) => ("game_server_instance", id.0),
    }
}

fn micros_since(at: Instant) -> i64 {
    i64::try_from(at.elapsed().as_micros()).unwrap_or(i64::MAX)
}
