//! The tables of heartbeats and outputs. Nobody else writes them; old outputs are forgotten by the liveness
//! process manager.

use std::time::Instant;

use sqlx::types::Json;
use sqlx::{Executor, PgConnection, PgExecutor};
use uuid::Uuid;

use super::pending::Taken;
use super::{Entity, Seen};

/// `listening_since` starts anew after three seconds without a write: nobody knows who was silent then. Processes that
/// ended are forgotten after a day.
const WRITE: &str = "
    WITH beats AS (
        INSERT INTO heartbeats AS h (entity, entity_id, last_heartbeat_at)
        SELECT b.entity, b.entity_id, now() - b.age * interval '1 microsecond'
          FROM unnest($2::text[], $3::int[], $4::bigint[]) AS b (entity, entity_id, age)
        ON CONFLICT (entity, entity_id) DO UPDATE
           SET last_heartbeat_at = greatest(h.last_heartbeat_at, excluded.last_heartbeat_at)
    ), outputs AS (
        INSERT INTO instance_output AS o (game_server_instance_id, lines_total, tail, as_of)
        SELECT n.id, n.lines_total,
               ARRAY(SELECT line FROM jsonb_array_elements_text(n.tail) WITH ORDINALITY AS t (line, place)
                      ORDER BY place),
               now() - n.age * interval '1 microsecond'
          FROM unnest($5::int[], $6::bigint[], $7::jsonb[], $8::bigint[]) AS n (id, lines_total, tail, age)
        ON CONFLICT (game_server_instance_id) DO UPDATE
           SET lines_total = excluded.lines_total, tail = excluded.tail, as_of = excluded.as_of
         WHERE o.as_of < excluded.as_of
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

/// Writes heartbeats, outputs and that this process listens, in one statement.
pub(super) async fn write(
    connection: &mut PgConnection,
    intake_id: Uuid,
    taken: &Taken<'_>,
) -> sqlx::Result<()> {
    // Preparing may wait for locks, once per connection. Ages are taken after that, right before the database reads
    // its clock, or heartbeats would seem younger by as much.
    (&mut *connection).prepare(WRITE).await?;
    let (beats, outputs) = (taken.beats(), taken.outputs());
    let (entities, ids): (Vec<_>, Vec<_>) = beats.iter().map(|(entity, _)| name(*entity)).unzip();
    let ages: Vec<i64> = beats.iter().map(|(_, at)| micros_since(*at)).collect();
    let write = sqlx::query(WRITE).bind(intake_id).bind(entities).bind(ids).bind(ages);
    let instances: Vec<i32> = outputs.iter().map(|(id, _)| id.0).collect();
    let totals: Vec<i64> = outputs.iter().map(|(_, (_, output))| output.lines_total).collect();
    // Lines travel as JSON: an array of arrays would have to be rectangular.
    let tails: Vec<_> = outputs.iter().map(|(_, (_, output))| Json(&output.tail)).collect();
    let ages: Vec<i64> = outputs.iter().map(|(_, (at, _))| micros_since(*at)).collect();
    write.bind(instances).bind(totals).bind(tails).bind(ages).execute(connection).await?;
    Ok(())
}

/// The last heartbeat that was written of an entity, and what time it is for the database.
pub(super) async fn seen(db: impl PgExecutor<'_>, entity: Entity) -> sqlx::Result<Seen> {
    let (entity, id) = name(entity);
    let (now, last_heartbeat_at) = sqlx::query_as(
        "SELECT now(), (SELECT last_heartbeat_at FROM heartbeats WHERE entity = $1 AND entity_id = $2)",
    )
    .bind(entity)
    .bind(id)
    .fetch_one(db)
    .await?;
    Ok(Seen { now, last_heartbeat_at })
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
