"""The ledger of shadows and publications in PostgreSQL, and the triggers that keep shared files alive, as SQL.

The ledger is schema ``audit`` of the catalog's database. The triggers are what makes a clone safe: whoever drops a
table, by whatever engine, deletes its row in the catalog first, and here that is refused while another table has the
same files. Only the publisher's own sessions may let go.
"""

from __future__ import annotations

PUBLISHER = "publisher"
"""The database role of :mod:`lakehold.tables.run`, the only one that writes the ledger."""

SCHEMA = "audit"

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS audit.shadows (
        shadow_id uuid PRIMARY KEY,
        catalog_name varchar(255) NOT NULL,
        run text NOT NULL,
        audit_group text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (catalog_name, run, audit_group)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS audit.shadow_schemas (
        shadow_id uuid NOT NULL REFERENCES audit.shadows ON DELETE CASCADE,
        catalog_name varchar(255) NOT NULL,
        target varchar(255) NOT NULL,
        shadow varchar(255) NOT NULL,
        PRIMARY KEY (catalog_name, shadow)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS audit.shadow_tables (
        shadow_id uuid NOT NULL REFERENCES audit.shadows ON DELETE CASCADE,
        catalog_name varchar(255) NOT NULL,
        target varchar(255) NOT NULL,
        shadow varchar(255) NOT NULL,
        table_name varchar(255) NOT NULL,
        iceberg_type varchar(5) NOT NULL,
        base_location varchar(1000) NOT NULL,
        clone_location varchar(1000) NOT NULL,
        base_state jsonb NOT NULL,
        PRIMARY KEY (catalog_name, shadow, table_name)
    )
    """,
    "CREATE INDEX IF NOT EXISTS shadow_tables_target ON audit.shadow_tables (catalog_name, target, table_name)",
    """
    CREATE TABLE IF NOT EXISTS audit.publications (
        publication_id uuid PRIMARY KEY,
        catalog_name varchar(255) NOT NULL,
        run text NOT NULL,
        audit_group text NOT NULL,
        tag text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('publish', 'rollback', 'discard')),
        undoes uuid REFERENCES audit.publications,
        happened_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX IF NOT EXISTS publications_run ON audit.publications (catalog_name, run, audit_group, happened_at)",
    """
    CREATE TABLE IF NOT EXISTS audit.publication_tables (
        publication_id uuid NOT NULL REFERENCES audit.publications,
        catalog_name varchar(255) NOT NULL,
        schema_name varchar(255) NOT NULL,
        table_name varchar(255) NOT NULL,
        changed boolean NOT NULL,
        old_location varchar(1000),
        new_location varchar(1000),
        old_state jsonb,
        new_state jsonb,
        PRIMARY KEY (publication_id, schema_name, table_name)
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS publication_tables_name
        ON audit.publication_tables (catalog_name, schema_name, table_name)
    """,
)

_LEFT = """
CREATE TABLE IF NOT EXISTS audit.left_folders (
    catalog_name varchar(255) NOT NULL,
    folder varchar(1000) NOT NULL,
    schema_name varchar(255) NOT NULL,
    table_name varchar(255) NOT NULL,
    run text NOT NULL,
    left_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (catalog_name, folder)
)
"""

_KEEP_TABLE = """
CREATE OR REPLACE FUNCTION audit.keep_shared_files() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    sharing record;
BEGIN
    IF session_user <> 'publisher' THEN
        SELECT s.run, s.audit_group, t.target, t.shadow INTO sharing
        FROM audit.shadow_tables t JOIN audit.shadows s USING (shadow_id)
        WHERE t.catalog_name = OLD.catalog_name AND t.table_name = OLD.table_name AND t.iceberg_type <> 'VIEW'
            AND (t.target = OLD.table_namespace OR t.shadow = OLD.table_namespace)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'object_in_use', MESSAGE = format(
                'lakehold refuses to %s %s.%s: it shares files with %s.%s while run "%s" (group %s) is not published. '
                'Wait until it is, or give it up: lakehold tables discard ''%s''',
                CASE TG_OP WHEN 'DELETE' THEN 'drop' ELSE 'rename' END, OLD.table_namespace, OLD.table_name,
                CASE OLD.table_namespace WHEN sharing.shadow THEN sharing.target ELSE sharing.shadow END,
                OLD.table_name, sharing.run, sharing.audit_group, sharing.run);
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$body$
"""

_KEEP_SCHEMA = """
CREATE OR REPLACE FUNCTION audit.keep_schema() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    live record;
BEGIN
    IF session_user <> 'publisher' AND OLD.property_key IN ('exists', 'location') THEN
        SELECT s.run, s.audit_group, n.target, n.shadow INTO live
        FROM audit.shadow_schemas n JOIN audit.shadows s USING (shadow_id)
        WHERE n.catalog_name = OLD.catalog_name AND (n.target = OLD.namespace OR n.shadow = OLD.namespace)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'object_in_use', MESSAGE = format(
                'lakehold refuses to drop or move schema %s: run "%s" (group %s) is not published. '
                'Wait until it is, or give it up: lakehold tables discard ''%s''',
                OLD.namespace, live.run, live.audit_group, live.run);
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$body$
"""

# A commit updates none of the key columns, so the triggers cost it nothing.
_TRIGGERS = (
    """
    CREATE OR REPLACE TRIGGER keep_shared_files
    BEFORE DELETE OR UPDATE OF catalog_name, table_namespace, table_name ON public.iceberg_tables
    FOR EACH ROW EXECUTE FUNCTION audit.keep_shared_files()
    """,
    """
    CREATE OR REPLACE TRIGGER keep_schema
    BEFORE DELETE OR UPDATE ON public.iceberg_namespace_properties
    FOR EACH ROW EXECUTE FUNCTION audit.keep_schema()
    """,
)

_RIGHTS = (
    "GRANT USAGE ON SCHEMA audit TO publisher, engine",
    "GRANT SELECT ON audit.shadows, audit.shadow_schemas, audit.shadow_tables TO publisher, engine",
    "GRANT SELECT ON audit.publications, audit.publication_tables TO publisher, engine",
    "GRANT INSERT, DELETE ON audit.shadows, audit.shadow_schemas, audit.shadow_tables TO publisher",
    "GRANT SELECT ON audit.left_folders TO publisher, engine",
    "GRANT INSERT, UPDATE, DELETE ON audit.left_folders TO publisher",
    "GRANT UPDATE (cloned) ON audit.shadows TO publisher",
    # What was published stays on record.
    "GRANT INSERT ON audit.publications, audit.publication_tables TO publisher",
)


def statements() -> list[str]:
    """All statements, in order; run by the superuser, any number of times, after the catalog's tables are there."""
    return [
        "CREATE SCHEMA IF NOT EXISTS audit",
        *_TABLES,
        _LEFT,
        "ALTER TABLE audit.shadows ADD COLUMN IF NOT EXISTS cloned boolean NOT NULL DEFAULT true",
        _KEEP_TABLE,
        _KEEP_SCHEMA,
        # Called by the triggers only, with the rights of their owner.
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC",
        *_TRIGGERS,
        *_RIGHTS,
    ]
