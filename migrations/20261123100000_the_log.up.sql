-- The log: the only truth. See docs/adr/0001-gapless-commit-ordered-log.md for the reasons.

-- Columns of postgres-es 0.5 (its repository loads aggregates from here) plus position, event_id and
-- recorded_at. "C" collation: ids are compared for equality and order only, bytes are fastest.
CREATE TABLE events (
    position       bigint      NOT NULL,
    aggregate_type text        COLLATE "C" NOT NULL,
    aggregate_id   text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    event_type     text        COLLATE "C" NOT NULL,
    event_version  text        COLLATE "C" NOT NULL,
    payload        json        NOT NULL,
    metadata       json        NOT NULL,
    event_id       uuid        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    CONSTRAINT events_position PRIMARY KEY (position),
    -- The expected version of an append is this index.
    CONSTRAINT events_stream UNIQUE (aggregate_type, aggregate_id, sequence),
    -- The type of the writer enforces these; this keeps any other writer from forgetting one. As text, in
    -- the order the type writes them: looking into the JSON four times cost a sixth of an append.
    CONSTRAINT events_metadata CHECK (
        metadata::text LIKE '{"actor_kind":"%","actor_id":"%","correlation_id":"%","command_id":"%"%}'
    )
);

-- One row: the position of the last event. Its row lock makes position order equal commit order.
-- fillfactor leaves room for HOT updates: this row changes with every append.
CREATE TABLE log_head (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
INSERT INTO log_head (position, recorded_at) VALUES (0, '-infinity');

-- Rules over many aggregates: a key that one stream holds at a time.
CREATE TABLE claims (
    scope          text   COLLATE "C" NOT NULL,
    key            text   COLLATE "C" NOT NULL,
    aggregate_type text   COLLATE "C" NOT NULL,
    aggregate_id   text   COLLATE "C" NOT NULL,
    position       bigint NOT NULL,
    CONSTRAINT claims_held PRIMARY KEY (scope, key)
);

-- Commands whose id the caller chose, with the answer they got: a retry gets the first answer.
CREATE TABLE answered_commands (
    command_id  uuid        NOT NULL,
    fingerprint text        NOT NULL,
    response    json        NOT NULL,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT answered_commands_id PRIMARY KEY (command_id)
);

-- A cache of aggregates, always disposable; the columns are postgres-es 0.5's.
CREATE TABLE snapshots (
    aggregate_type   text   COLLATE "C" NOT NULL,
    aggregate_id     text   COLLATE "C" NOT NULL,
    last_sequence    bigint NOT NULL,
    current_snapshot bigint NOT NULL,
    payload          json   NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
);

-- How far each subscription has come: the position of the last event it finished.
CREATE TABLE checkpoints (
    name       text        COLLATE "C" PRIMARY KEY,
    position   bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Events are immutable, for everybody, also in a replication session.
CREATE FUNCTION refuse_change_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are immutable: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER events_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_events();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_immutable;
REVOKE UPDATE, DELETE, TRUNCATE ON events FROM PUBLIC;

-- Appends the commits of one batch: the only statement that hands out positions.
--
-- Commit i (numbered from 0) brings the events whose event_commit is i, and so for claims. Either all
-- of a commit is written or nothing: one that lost its race is rejected alone and named in
-- `rejections`, [{"commit": 3, "why": "version"}], its neighbours are written.
--   why "repeated": the command id was answered before; fingerprint and response are the first's
--   why "version":  the stream has moved on; event_id and position of the event that stands there
--                   (a writer that lost its connection finds its own event and knows it was written)
--   why "claim":    another stream holds scope/key
-- Written events take the positions after `base`, in the order given.
CREATE FUNCTION append_events(
    command_ids      uuid[],   -- per commit; null where the caller chose no id
    fingerprints     text[],   -- per commit; null likewise
    responses        text[],   -- per commit; null likewise
    event_commits    int[],
    event_ids        uuid[],
    aggregate_types  text[],
    aggregate_ids    text[],
    sequences        bigint[],
    event_types      text[],
    event_versions   text[],
    payloads         text[],
    metadatas        text[],
    claim_commits    int[],
    claim_scopes     text[],
    claim_keys       text[],
    claim_types      text[],   -- the stream that takes the claim
    claim_ids        text[],
    claim_is_take    boolean[],
    OUT base         bigint,
    OUT rejections   json
) LANGUAGE plpgsql AS $$
DECLARE
    rejected  int[] := '{}';
    count     bigint := cardinality(event_ids);
    stamp     timestamptz;
BEGIN
    -- Whoever holds this row appends alone until it commits. The clock is read under the lock and never
    -- runs backwards, so recorded_at is ordered as position is.
    UPDATE log_head
       SET position = position + count, recorded_at = greatest(recorded_at, clock_timestamp())
     RETURNING position - count, recorded_at INTO base, stamp;

    LOOP
        BEGIN
            INSERT INTO events (position, aggregate_type, aggregate_id, sequence, event_type,
                                event_version, payload, metadata, event_id, recorded_at)
            SELECT base + row_number() OVER (ORDER BY e.place), e.aggregate_type, e.aggregate_id, e.sequence,
                   e.event_type, e.event_version, e.payload::json, e.metadata::json, e.event_id, stamp
              FROM unnest(event_commits, event_ids, aggregate_types, aggregate_ids, sequences,
                          event_types, event_versions, payloads, metadatas) WITH ORDINALITY
                   AS e (commit, event_id, aggregate_type, aggregate_id, sequence,
                         event_type, event_version, payload, metadata, place)
             WHERE e.commit <> ALL (rejected);
            GET DIAGNOSTICS count = ROW_COUNT;

            IF cardinality(claim_keys) > 0 THEN
                DELETE FROM claims c
                 USING unnest(claim_commits, claim_scopes, claim_keys, claim_types, claim_ids, claim_is_take)
                       AS n (commit, scope, key, aggregate_type, aggregate_id, is_take)
                 WHERE NOT n.is_take AND n.commit <> ALL (rejected) AND c.scope = n.scope AND c.key = n.key
                   AND c.aggregate_type = n.aggregate_type AND c.aggregate_id = n.aggregate_id;
                INSERT INTO claims (scope, key, aggregate_type, aggregate_id, position)
                SELECT n.scope, n.key, n.aggregate_type, n.aggregate_id, base + count
                  FROM unnest(claim_commits, claim_scopes, claim_keys, claim_types, claim_ids, claim_is_take)
                       AS n (commit, scope, key, aggregate_type, aggregate_id, is_take)
                 WHERE n.is_take AND n.commit <> ALL (rejected);
            END IF;

            IF array_remove(command_ids, NULL) <> '{}' THEN
                INSERT INTO answered_commands (command_id, fingerprint, response, position, recorded_at)
                SELECT c.command_id, c.fingerprint, c.response::json, base + count, stamp
                  FROM unnest(command_ids, fingerprints, responses) WITH ORDINALITY
                       AS c (command_id, fingerprint, response, place)
                 WHERE c.command_id IS NOT NULL AND c.place - 1 <> ALL (rejected);
            END IF;
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            -- We hold the head, so nothing moves while we look for every commit that cannot be written.
            IF rejections IS NOT NULL THEN
                RAISE;
            END IF;
            WITH refused (commit, rank, detail) AS (
                SELECT c.place - 1, 1, json_build_object('commit', c.place - 1, 'why', 'repeated',
                           'fingerprint', a.fingerprint, 'response', a.response, 'position', a.position)
                  FROM unnest(command_ids) WITH ORDINALITY AS c (command_id, place)
                  JOIN answered_commands a USING (command_id)
                UNION ALL
                SELECT e.commit, 2, json_build_object('commit', e.commit, 'why', 'version',
                           'event_id', s.event_id, 'position', s.position)
                  FROM unnest(event_commits, aggregate_types, aggregate_ids, sequences)
                       AS e (commit, aggregate_type, aggregate_id, sequence)
                  JOIN events s USING (aggregate_type, aggregate_id, sequence)
                UNION ALL
                SELECT n.commit, 3, json_build_object('commit', n.commit, 'why', 'claim',
                           'scope', n.scope, 'key', n.key)
                  FROM unnest(claim_commits, claim_scopes, claim_keys, claim_is_take)
                       AS n (commit, scope, key, is_take)
                  JOIN claims USING (scope, key)
                 WHERE n.is_take
            ), first_reason AS (
                SELECT DISTINCT ON (commit) commit, detail FROM refused ORDER BY commit, rank, (detail ->> 'position')::bigint
            )
            SELECT array_agg(commit), json_agg(detail) INTO rejected, rejections FROM first_reason;
            IF rejected IS NULL THEN
                RAISE;  -- two commits of one batch collide: the caller must not send those together
            END IF;
        END;
    END LOOP;

    IF count <> cardinality(event_ids) THEN
        UPDATE log_head SET position = base + count;
    END IF;
END $$;

-- Ids on the wire are integers, allocated before the command that uses them; gaps are normal.
CREATE SEQUENCE worker_ids AS integer;
CREATE SEQUENCE game_server_instance_ids AS integer;
CREATE SEQUENCE game_server_ids AS integer;
CREATE SEQUENCE game_server_config_ids AS integer;
CREATE SEQUENCE game_server_command_ids AS integer;
CREATE SEQUENCE game_server_command_default_ids AS integer;
CREATE SEQUENCE game_server_config_command_ids AS integer;
CREATE SEQUENCE game_server_config_option_ids AS integer;
