//! Every move of a checkpoint, written down by the database itself in the transaction that moved it: rows and
//! checkpoint are written together, so what a checkpoint went over once was applied once.

use event_store::Position;
use sqlx::PgPool;

const BEGIN: &str = "
    CREATE TABLE moves (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL, from_position bigint NOT NULL, to_position bigint NOT NULL, owner text
    );
    CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.moves (name, from_position, to_position, owner)
        VALUES (NEW.name, CASE WHEN TG_OP = 'UPDATE' THEN OLD.position ELSE 0 END, NEW.position, NEW.owner);
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_births AFTER INSERT ON checkpoints FOR EACH ROW
        WHEN (NEW.position <> 0) EXECUTE FUNCTION note_move();
    CREATE TRIGGER note_moves AFTER UPDATE ON checkpoints FOR EACH ROW
        WHEN (NEW.position <> OLD.position) EXECUTE FUNCTION note_move();";

/// Begins to write them down.
pub async fn begin(pool: &PgPool) {
    sqlx::raw_sql(BEGIN).execute(pool).await.unwrap();
}

/// No checkpoint of a projection left anything out, and none went over anything twice.
pub async fn every_position_was_applied_once(pool: &PgPool, head: Position) {
    // The row's lock orders the moves of one checkpoint, and so their ids.
    let moved: Vec<(String, i64, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT name, count(*), count(DISTINCT owner), max(to_position),
                sum(greatest(from_position - before, 0))::bigint,
                sum(greatest(before - from_position, 0) + greatest(from_position - to_position, 0))::bigint
           FROM (SELECT *, lag(to_position, 1, 0::bigint) OVER (PARTITION BY name ORDER BY id) AS before
                   FROM moves WHERE name LIKE 'projector.%') AS moves
          GROUP BY name ORDER BY name",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert_eq!(moved.len(), projectors::PROJECTIONS.len());
    for (name, batches, owners, reached, skipped, twice) in moved {
        println!(
            "{name}: {batches} batches by {owners} replicas, {skipped} skipped, {twice} applied twice"
        );
        assert_eq!((skipped, twice), (0, 0), "{name}");
        assert_eq!(reached, head.0, "{name}");
    }
}
