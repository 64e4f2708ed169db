-- How many changes there ever were: those that are there, and these, which retention has deleted. A number that only
-- grows says whether a copy of the graph is still as the graph is.
CREATE TABLE change_gone (
    kind    text PRIMARY KEY,
    changes bigint NOT NULL
);

-- The tables that are made of the graph are in it, and each commit to them is a change that is not counted.
CREATE FUNCTION counted(kind text, id text) RETURNS boolean LANGUAGE sql STABLE
RETURN kind <> 'node' OR NOT EXISTS (SELECT FROM node n WHERE n.node_id::text = id AND n.name LIKE 'ops.lineage\_%');

CREATE FUNCTION count_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change_gone AS g (kind, changes)
    SELECT kind, count(*) FROM gone WHERE counted(kind, id) GROUP BY kind
    ON CONFLICT (kind) DO UPDATE SET changes = g.changes + excluded.changes;
    RETURN NULL;
END $$;

CREATE TRIGGER count_gone AFTER DELETE ON change
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION count_gone();

CREATE FUNCTION changes_ever(of text) RETURNS bigint LANGUAGE sql STABLE
RETURN (SELECT count(*) FROM change c WHERE c.kind = of AND counted(c.kind, c.id))
    + coalesce((SELECT g.changes FROM change_gone g WHERE g.kind = of), 0);
