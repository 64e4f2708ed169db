-- The graph: tables and files under one name each, their columns, the jobs that write them, and the edges between
-- columns for any date; what it was read from; and what sinks have yet to be told.

CREATE TABLE node (
    node_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         uuid NOT NULL UNIQUE GENERATED ALWAYS AS (name_key(namespace, name)) STORED,
    namespace   text NOT NULL,
    name        text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('table', 'view', 'file', 'other')),
    description text NOT NULL DEFAULT '',
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL
);
COMMENT ON TABLE node IS 'A table, view or file, once, whatever its emitters call it.';
-- Tables by the second part of their name, which is the word a statement has of them.
CREATE INDEX node_word ON node (name_key(namespace, lower(split_part(name, '.', 2)))) WHERE kind IN ('table', 'view');

CREATE TABLE alias (
    dataset_id uuid PRIMARY KEY REFERENCES dataset,
    node_id    bigint NOT NULL REFERENCES node,
    place_id   uuid NOT NULL
);
COMMENT ON TABLE alias IS 'Which node a name of the events means; place_id is the key of the place (see location) it names.';
CREATE INDEX alias_node ON alias (node_id);
CREATE INDEX alias_place ON alias (place_id);

CREATE TABLE location (
    place_id uuid PRIMARY KEY GENERATED ALWAYS AS (name_key('', place)) STORED,
    place    text NOT NULL,
    node_id  bigint NOT NULL REFERENCES node,
    seen_at  timestamptz NOT NULL
);
COMMENT ON TABLE location IS 'Which table has its files at a place, s3://bucket/path; the latest to be seen there.';
CREATE INDEX location_node ON location (node_id);

CREATE TABLE field (
    field_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id     bigint NOT NULL REFERENCES node,
    name        text NOT NULL,
    key         uuid NOT NULL GENERATED ALWAYS AS (name_key('', name)) STORED,
    type        text NOT NULL DEFAULT '',
    position    integer,
    description text NOT NULL DEFAULT '',
    first_seen  timestamptz NOT NULL,
    removed_at  timestamptz,
    UNIQUE (node_id, key)
);
-- To count a table's columns without a look at each.
CREATE INDEX field_there ON field (node_id) WHERE removed_at IS NULL AND name <> '';
COMMENT ON COLUMN field.name IS 'The column''s name; empty for the table as a whole, which edges that concern every row end at.';

CREATE TABLE process (
    process_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        uuid NOT NULL UNIQUE GENERATED ALWAYS AS (name_key(namespace, name)) STORED,
    namespace  text NOT NULL,
    name       text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('task', 'model', 'spark', 'query', 'person')),
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL
);
COMMENT ON TABLE process IS 'What makes edges and keeps its name from run to run: dag.task, dbt:model, a Spark application without a task, user:name.';

-- state is that of the last end, or, for a run nobody heard of any more, CLOSED.
ALTER TABLE run DROP COLUMN state;
ALTER TABLE run ADD COLUMN closed_at timestamptz;
ALTER TABLE run ADD COLUMN sealed boolean NOT NULL DEFAULT false;
ALTER TABLE run ADD COLUMN process_id bigint REFERENCES process;
ALTER TABLE run ADD COLUMN process_run uuid;
ALTER TABLE run ADD COLUMN problem text;
ALTER TABLE run ADD COLUMN state text NOT NULL
    GENERATED ALWAYS AS (coalesce(ended_as, CASE WHEN closed_at IS NULL THEN 'RUNNING' ELSE 'CLOSED' END)) STORED;
COMMENT ON COLUMN run.closed_at IS 'When it was given up: it began long ago and never said how it ended.';
COMMENT ON COLUMN run.sealed IS 'Its events were removed by the retention policy, so it cannot be derived again.';
COMMENT ON COLUMN run.problem IS 'Why nothing could be derived from its events, if so.';
COMMENT ON COLUMN run.process_run IS 'The run of the process it belongs to: a task''s run for the statements of the task.';
CREATE INDEX run_process ON run (process_id, first_seen DESC);
CREATE INDEX run_process_run ON run (process_run);
-- Without last_seen, which every event moves: what no index has is changed in place.
CREATE INDEX run_open ON run (run_id) WHERE ended_as IS NULL AND closed_at IS NULL;
ALTER TABLE run SET (fillfactor = 80);

-- The first and the last events of a run are read without the others.
DROP INDEX event_run;
CREATE INDEX event_run ON event (run_id, event_time, digest);

CREATE TABLE edge (
    edge_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_node  bigint NOT NULL,
    source_field bigint NOT NULL REFERENCES field,
    target_node  bigint NOT NULL REFERENCES node,
    target_field bigint NOT NULL REFERENCES field,
    process_id   bigint NOT NULL REFERENCES process,
    direct       boolean NOT NULL,
    how          text NOT NULL CHECK (how IN ('', 'IDENTITY', 'TRANSFORMATION', 'AGGREGATION',
                                             'JOIN', 'FILTER', 'GROUP_BY', 'SORT', 'WINDOW', 'CONDITIONAL')),
    believed     text NOT NULL CHECK (believed IN ('facet', 'sql', 'names')),
    expression   text NOT NULL DEFAULT '',
    first_seen   timestamptz NOT NULL,
    last_seen    timestamptz NOT NULL,
    ended_at     timestamptz,
    first_run    uuid NOT NULL,
    last_run     uuid NOT NULL
) WITH (fillfactor = 80);
COMMENT ON COLUMN edge.source_node IS 'That of source_field, which says that it is there.';
COMMENT ON TABLE edge IS 'Valid at T: first_seen <= T and (ended_at is null or ended_at > T). Between tables as a whole, both fields are the one named '''' and how is ''''.';
COMMENT ON COLUMN edge.ended_at IS 'When a later run of the same process wrote the same target without it; first_seen when it was withdrawn, so that it never was.';
-- What is valid now is a small part of what there was: edges that have ended are not looked at.
CREATE INDEX edge_source ON edge (source_field, coalesce(ended_at, 'infinity'));
CREATE INDEX edge_target ON edge (target_field, coalesce(ended_at, 'infinity'));
CREATE INDEX edge_source_node ON edge (source_node, target_node) WHERE how = '';
CREATE INDEX edge_written ON edge (target_node, process_id);
CREATE INDEX edge_began ON edge USING brin (first_seen);
CREATE INDEX edge_process ON edge (process_id);
-- No index has last_seen or last_run, which every run moves: they are changed in place.
CREATE INDEX edge_withdrawn ON edge (edge_id) WHERE ended_at = first_seen;
CREATE INDEX edge_ended ON edge (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE statement (
    run_id      uuid PRIMARY KEY REFERENCES run,
    process_id  bigint NOT NULL REFERENCES process,
    sql         text NOT NULL DEFAULT '',
    dialect     text NOT NULL DEFAULT '',
    kind        text NOT NULL DEFAULT '',
    target_node bigint REFERENCES node,
    believed    text NOT NULL CHECK (believed IN ('facet', 'sql', 'names')),
    unknown     jsonb NOT NULL DEFAULT '{}',
    at          timestamptz NOT NULL
);
COMMENT ON TABLE statement IS 'What a run executed. unknown: column of the target → why its sources cannot be known.';
CREATE INDEX statement_target ON statement (target_node, at DESC);
CREATE INDEX statement_process ON statement (process_id);

-- What edges are made from: which run wrote which table, with which set of edges.
CREATE TABLE shape (
    shape_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process_id  bigint NOT NULL REFERENCES process,
    target_node bigint NOT NULL REFERENCES node,
    digest      bytea NOT NULL,
    edges       jsonb NOT NULL,
    expressions jsonb NOT NULL DEFAULT '[]',
    told_at     timestamptz NOT NULL DEFAULT '-infinity',
    UNIQUE (process_id, target_node, digest)
);
COMMENT ON COLUMN shape.edges IS '[source_node, source_field, target_field, how, believed] of each edge; digest is theirs.';
COMMENT ON COLUMN shape.expressions IS 'The expression of each of the edges as the latest writing has it, at told_at; a date in one makes no other shape.';
CREATE INDEX shape_target ON shape (target_node);
CREATE TABLE writing (
    run_id      uuid NOT NULL REFERENCES run,
    target_node bigint NOT NULL,
    process_id  bigint NOT NULL REFERENCES process,
    process_run uuid NOT NULL,
    shape_id    bigint NOT NULL REFERENCES shape,
    ends        boolean NOT NULL,
    settled     boolean NOT NULL DEFAULT false,
    at          timestamptz NOT NULL,
    PRIMARY KEY (run_id, target_node)
);
COMMENT ON TABLE writing IS 'That a run wrote a table, and what from. ends: what it did not read does not feed the table any more; settled: edge says so. target_node is that of the shape.';
CREATE INDEX writing_process ON writing (process_id, target_node, at);
CREATE INDEX writing_process_run ON writing (process_run);
CREATE INDEX writing_shape ON writing (shape_id);

CREATE TABLE forgotten (
    process_id  bigint NOT NULL REFERENCES process,
    target_node bigint NOT NULL REFERENCES node,
    before      timestamptz NOT NULL,
    PRIMARY KEY (process_id, target_node)
);
COMMENT ON TABLE forgotten IS 'Writings before that time were removed by the retention policy; edge is what is known of them.';

CREATE INDEX forgotten_target ON forgotten (target_node);

CREATE SEQUENCE due_mark;
CREATE TABLE due (
    run_id uuid PRIMARY KEY,
    at     timestamptz NOT NULL,
    mark   bigint NOT NULL DEFAULT nextval('due_mark')
);
COMMENT ON TABLE due IS 'Runs whose writing must be derived, for the first time or again because what it depends on changed; in the order of their time.';
COMMENT ON COLUMN due.mark IS 'Another each time it is queued, so that what is queued again while it is derived stays.';
CREATE INDEX due_at ON due (at, run_id);

CREATE TABLE due_pair (
    process_id  bigint NOT NULL,
    target_node bigint NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process_id, target_node)
);
COMMENT ON TABLE due_pair IS 'Of which process and table all edges must be made anew, because a writing that was known is different now.';

CREATE TABLE snapshot (
    node_id      bigint NOT NULL REFERENCES node,
    snapshot_id  bigint NOT NULL,
    parent_id    bigint,
    committed_at timestamptz NOT NULL,
    operation    text NOT NULL DEFAULT '',
    summary      jsonb NOT NULL DEFAULT '{}',
    run_id       uuid,
    matched_by   text,
    PRIMARY KEY (node_id, snapshot_id)
);
CREATE INDEX snapshot_run ON snapshot (run_id);
CREATE INDEX snapshot_unexplained ON snapshot (node_id) WHERE matched_by IS NULL;

CREATE TABLE assertion_result (
    run_id      uuid NOT NULL REFERENCES run,
    node_id     bigint NOT NULL REFERENCES node,
    column_name text NOT NULL DEFAULT '',
    name        text NOT NULL,
    key         uuid NOT NULL GENERATED ALWAYS AS (name_key(column_name, name)) STORED,
    success     boolean NOT NULL,
    at          timestamptz NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, node_id, key)
);
COMMENT ON TABLE assertion_result IS 'What a gate found out about a table or a column of it.';
CREATE INDEX assertion_result_node ON assertion_result (node_id, at DESC);

CREATE TABLE change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text NOT NULL CHECK (kind IN ('node', 'process', 'run', 'edge', 'quality')),
    id        text NOT NULL
);
COMMENT ON TABLE change IS 'What became different, in the order of the commits, for sinks to read. id: that of the node, process or run; source_node:target_node of edges; for quality that of the run which tested.';

INSERT INTO stage (name) VALUES ('graph2');
