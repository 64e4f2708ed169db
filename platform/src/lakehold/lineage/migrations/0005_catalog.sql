-- What the Iceberg catalog says: its tables as they were last read, their snapshots, and what names the makers of these.

CREATE TABLE catalog_entry (
    name      text PRIMARY KEY,
    node_id   bigint NOT NULL REFERENCES node,
    kind      text NOT NULL CHECK (kind IN ('table', 'view')),
    metadata  text NOT NULL,
    location  text NOT NULL,
    snapshots bigint[] NOT NULL DEFAULT '{}',
    read_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE catalog_entry IS 'Tables and views that are in the catalog, by schema.table, with the metadata file that was read last. A shadow has the node of its target.';
CREATE INDEX catalog_entry_node ON catalog_entry (node_id);

CREATE TABLE view_version (
    node_id    bigint NOT NULL REFERENCES node,
    version_id bigint NOT NULL,
    made_at    timestamptz NOT NULL,
    sql        text NOT NULL,
    dialect    text NOT NULL,
    schema     text NOT NULL DEFAULT '',
    PRIMARY KEY (node_id, version_id)
);
COMMENT ON COLUMN view_version.schema IS 'The schema that names without one are in.';

ALTER TABLE snapshot ADD COLUMN gone_at timestamptz;
ALTER TABLE snapshot ADD COLUMN maker uuid;
ALTER TABLE snapshot ADD COLUMN application text;
ALTER TABLE snapshot ADD COLUMN asked_at timestamptz;
ALTER TABLE snapshot ADD COLUMN asked integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN snapshot.gone_at IS 'When no table of the catalog had it any more: expired, dropped, or discarded with its shadow.';
COMMENT ON COLUMN snapshot.maker IS 'The run that the snapshot itself names: that of Trino''s query, or of a task.';
COMMENT ON COLUMN snapshot.application IS 'The Spark application that the snapshot names.';
COMMENT ON COLUMN snapshot.matched_by IS 'How run_id was found; null while nothing says what the run read.';
COMMENT ON COLUMN snapshot.asked_at IS 'When its maker was last asked about it; asked: how often.';
CREATE INDEX snapshot_open ON snapshot (committed_at, node_id, snapshot_id) WHERE matched_by IS NULL AND gone_at IS NULL;
CREATE INDEX snapshot_unasked ON snapshot (committed_at)
    WHERE asked = 0 AND gone_at IS NULL AND (matched_by IS NULL OR summary ? 'lakehold.program');

-- What events say that leads from a snapshot to a run.
CREATE TABLE clue (
    kind   text NOT NULL CHECK (kind IN ('application', 'version')),
    value  text NOT NULL,
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    PRIMARY KEY (kind, value, run_id)
);
CREATE INDEX clue_run ON clue (run_id);
COMMENT ON TABLE clue IS 'Runs by the id of the Spark application they belong to, and by the snapshot (version) they say they made.';

CREATE TABLE rederived (
    run_id uuid PRIMARY KEY,
    source text NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE rederived IS 'Runs that were lost and are known again, and from where.';

CREATE FUNCTION wrote(run uuid, node bigint) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN EXISTS (SELECT 1 FROM run_dataset d JOIN alias a USING (dataset_id)
                   WHERE d.run_id = run AND d.direction = 'output' AND a.node_id = node);
COMMENT ON FUNCTION wrote IS 'Whether a run says that it wrote a table.';

CREATE FUNCTION brings_no_rows(operation text, summary jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN operation = 'replace' OR (operation <> 'view'
        AND coalesce(summary->>'added-records', '0') = '0' AND coalesce(summary->>'added-data-files', '0') = '0'
        AND coalesce(summary->>'added-delete-files', '0') = '0');
COMMENT ON FUNCTION brings_no_rows IS 'Whether a snapshot holds the rows of the one before it in other files, fewer of them, or none.';

CREATE FUNCTION meanwhile(at timestamptz, began timestamptz, ended timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN at BETWEEN began - interval '1 s' AND coalesce(ended, 'infinity') + interval '1 s';
COMMENT ON FUNCTION meanwhile IS 'Whether a commit falls into a run; clocks differ, and events cut their times to milliseconds.';

CREATE TABLE catalog_reading (
    catalog text PRIMARY KEY,
    read_at timestamptz,
    problem text NOT NULL DEFAULT '',
    unread  jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE catalog_reading IS 'When the catalog was last read as a whole, what stands in the way now, and tables that cannot be read with the reason.';
