-- What is derived from the events: jobs, datasets, runs, and which run read or wrote which dataset.

-- Names have no limit, an index entry has; so a name is known by its key.
CREATE FUNCTION name_key(namespace text, name text) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN md5(namespace || chr(10) || name)::uuid;

CREATE TABLE job (
    job_id     uuid PRIMARY KEY,
    namespace  text NOT NULL,
    name       text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL
);

CREATE TABLE dataset (
    dataset_id uuid PRIMARY KEY,
    namespace  text NOT NULL,
    name       text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL
);

CREATE TABLE run (
    run_id        uuid PRIMARY KEY,
    job_id        uuid NOT NULL REFERENCES job,
    first_seen    timestamptz NOT NULL,
    last_seen     timestamptz NOT NULL,
    started_at    timestamptz,
    ended_at      timestamptz,
    ended_as      text,
    state         text NOT NULL GENERATED ALWAYS AS (coalesce(ended_as, 'RUNNING')) STORED,
    parent_run_id uuid,
    parent_job_namespace text,
    parent_job_name      text,
    root_run_id   uuid,
    events        bigint NOT NULL
);
COMMENT ON COLUMN run.first_seen IS 'Time of its earliest event; started_at is that of its START.';
CREATE INDEX run_first_seen ON run (first_seen DESC);
CREATE INDEX run_job ON run (job_id, first_seen DESC);
CREATE INDEX run_parent ON run (parent_run_id);

CREATE TABLE run_dataset (
    run_id     uuid NOT NULL REFERENCES run,
    direction  text NOT NULL CHECK (direction IN ('input', 'output')),
    dataset_id uuid NOT NULL REFERENCES dataset,
    PRIMARY KEY (run_id, direction, dataset_id)
);
CREATE INDEX run_dataset_dataset ON run_dataset (dataset_id, direction);

CREATE TABLE stage (
    name     text PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE stage IS 'How far each stage behind the receiver has come: the last event_id it has worked in.';
INSERT INTO stage (name) VALUES ('graph');
