-- What was received, and what could not be.

CREATE TABLE event (
    event_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest        bytea NOT NULL UNIQUE,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind          text NOT NULL CHECK (kind IN ('run', 'job', 'dataset')),
    event_type    text,
    event_time    timestamptz NOT NULL,
    run_id        uuid,
    job_namespace text,
    job_name      text,
    producer      text NOT NULL,
    parent_run_id uuid,
    parent_job_namespace text,
    parent_job_name      text,
    root_run_id   uuid,
    inputs        jsonb NOT NULL,
    outputs       jsonb NOT NULL,
    body          text NOT NULL
);
COMMENT ON TABLE event IS 'Every OpenLineage event that was accepted, once. event_id grows in the order of the commits.';
COMMENT ON COLUMN event.body IS 'The event exactly as it was sent.';
COMMENT ON COLUMN event.inputs IS 'Datasets as an array of [namespace, name].';

CREATE INDEX event_run ON event (run_id);

CREATE TABLE rejected (
    digest      bytea PRIMARY KEY,
    first_seen  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen   timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen        bigint NOT NULL DEFAULT 1,
    reason      text NOT NULL,
    body        bytea NOT NULL
);
COMMENT ON TABLE rejected IS 'Every body that is not an OpenLineage event, once, with the reason and how often it came.';
CREATE INDEX rejected_last_seen ON rejected (last_seen);
