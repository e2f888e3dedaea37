-- Telemetry, not events: the last sign of life of each worker and instance, written in batches.
-- fillfactor leaves room for HOT updates; nothing but last_heartbeat_at ever changes.
CREATE TABLE heartbeats (
    entity            text        COLLATE "C" NOT NULL CHECK (entity IN ('worker', 'game_server_instance')),
    entity_id         int         NOT NULL,
    last_heartbeat_at timestamptz NOT NULL,
    PRIMARY KEY (entity, entity_id)
) WITH (fillfactor = 50);

-- Who takes heartbeats in. Silence counts only while somebody was listening: a worker is not lost
-- because ManMan was down. `listening_since` starts anew after a gap in `last_flush_at`.
CREATE TABLE heartbeat_intakes (
    intake_id       uuid        PRIMARY KEY,
    listening_since timestamptz NOT NULL,
    last_flush_at   timestamptz NOT NULL
) WITH (fillfactor = 50);
