-- Sinks: how far each has come, what it refused for good, and what it was told last.

CREATE TABLE sink (
    name         text PRIMARY KEY,
    reads        text NOT NULL CHECK (reads IN ('event', 'change')),
    position     bigint NOT NULL DEFAULT 0,
    backfill     text,
    delivered    bigint NOT NULL DEFAULT 0,
    last_success timestamptz,
    last_error   text,
    attempts     integer NOT NULL DEFAULT 0,
    retry_at     timestamptz
);
COMMENT ON COLUMN sink.position IS 'The last event_id (or change_id) it has been told; retention keeps what is above.';
COMMENT ON COLUMN sink.backfill IS 'How far the telling of everything there is has come, for a sink that is new or was emptied; null when done.';
COMMENT ON COLUMN sink.attempts IS 'Failed attempts since the last success; retry_at is when the next one is due.';

CREATE TABLE sink_letter (
    letter_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink        text NOT NULL REFERENCES sink ON DELETE CASCADE,
    item        text NOT NULL,
    reason      text NOT NULL,
    body        text NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_at    timestamptz,
    replayed_at timestamptz,
    UNIQUE (sink, item)
);
COMMENT ON TABLE sink_letter IS 'What a sink refused for good, with the reason. asked_at: somebody wants it sent again; replayed_at: it was taken then.';
CREATE INDEX sink_letter_open ON sink_letter (sink) WHERE replayed_at IS NULL;

CREATE TABLE sink_sent (
    sink      text NOT NULL REFERENCES sink ON DELETE CASCADE,
    entity    text NOT NULL,
    digest    bytea NOT NULL,
    remote_id text NOT NULL,
    PRIMARY KEY (sink, entity)
);
COMMENT ON TABLE sink_sent IS 'What a catalog was told last of each entity, and the id it gave it; what did not change is not sent again.';

-- Numbers of changes are given before they are committed. Who writes some shares this lock until then, so that a sink
-- that gets it for itself knows that no smaller number will come. A lock of the table would be in vacuum's way.
CREATE FUNCTION change_in_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(5270011, 0);
    RETURN NULL;
END
$$;
CREATE TRIGGER change_in_turn BEFORE INSERT ON change FOR EACH STATEMENT EXECUTE FUNCTION change_in_turn();
