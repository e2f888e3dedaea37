-- Who works on which subscription: see docs/adr/0010-leases-with-a-fencing-token.md.

ALTER TABLE checkpoints
    -- Of the rule by which everything up to `position` was done. Null: nobody has said so yet.
    ADD COLUMN version      int,
    ADD COLUMN owner        text,
    -- The fencing token: raised whenever whoever works on it has to look again.
    ADD COLUMN epoch        bigint NOT NULL DEFAULT 0,
    ADD COLUMN leased_until timestamptz;

-- Replicas that share subscriptions, by what they share.
CREATE TABLE replicas (
    replica    text        COLLATE "C" PRIMARY KEY,
    kind       text        COLLATE "C" NOT NULL,
    seen_until timestamptz NOT NULL,
    -- It could do more, and found nothing that was free.
    is_hungry  boolean     NOT NULL
) WITH (fillfactor = 50);

-- Events that a subscription could not handle, and behind each the later ones of its stream.
CREATE TABLE parked_events (
    subscription       text        COLLATE "C" NOT NULL,
    position           bigint      NOT NULL,
    aggregate_type     text        COLLATE "C" NOT NULL,
    aggregate_id       text        COLLATE "C" NOT NULL,
    event_id           uuid        NOT NULL,
    event_type         text        COLLATE "C" NOT NULL,
    -- Null: it waits behind an earlier one.
    error              text,
    attempts           int         NOT NULL,
    parked_at          timestamptz NOT NULL DEFAULT now(),
    last_failed_at     timestamptz,
    retry_requested_at timestamptz,
    PRIMARY KEY (subscription, position)
);
CREATE INDEX parked_events_of_stream
    ON parked_events (subscription, aggregate_type, aggregate_id, position);
CREATE INDEX parked_events_to_retry ON parked_events (subscription) WHERE retry_requested_at IS NOT NULL;
