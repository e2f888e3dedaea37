-- An answer keeps the position of the last event of its batch.
CREATE OR REPLACE FUNCTION append_events(
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
