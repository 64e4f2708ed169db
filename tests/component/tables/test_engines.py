"""Trino, Spark, pyiceberg and dbt on clones and originals: what would hurt is refused, and everything else works."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lakehold.cli.sql import _reason, connect
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.registry import component
from lakehold.errors import ConflictError
from lakehold.pipelines import spark_submit
from lakehold.tables.shadow import Audit, environment, tag_of
from trino.exceptions import TrinoQueryError

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
AUDIT, LATER = Audit("daily/one", "gold"), Audit("daily/two", "gold")
OF = ["--run", AUDIT.run, "--group", AUDIT.group]
SHADOW = AUDIT.schema("gold")
GUARDED = "GC is disabled"
REFUSED = 'run "daily/one" (group gold) is not published'


@pytest.fixture(scope="module")
def lake(lakehouse: Any) -> Any:
    lakehouse.lab.start("trino")
    return lakehouse


def sql(lake: Any, statement: str, user: str = "admin") -> list[list[Any]]:
    with closing(connect(lake.site, user, "gold")) as connection:
        return [list(row) for row in connection.cursor().execute(statement).fetchall()]


def refusal(lake: Any, statement: str) -> str:
    """What Trino says to a statement; empty when it has done it."""
    try:
        sql(lake, statement)
    except TrinoQueryError as error:
        # Trino says in its own words what failed; the reason is below it.
        return json.dumps(error.failure_info)
    return ""


def spark(lake: Any, folder: Path, statements: dict[str, str]) -> dict[str, Any]:
    lake.lab.configure(component("spark"))
    platform = platform_of(lake.site)
    wanted, answers = folder / "wanted.json", folder / "answers.json"
    wanted.write_text(json.dumps(statements))
    (lake.site.state / "work" / "spark").mkdir(parents=True, exist_ok=True)
    archive = spark_submit.archive(platform)
    command = spark_submit.command(platform, archive.flags("test"), {}, HERE / "spark_part.py")
    result = subprocess.run(
        [*command, str(wanted), str(answers)],
        env={**spark_submit.environment(platform), "HOME": str(lake.site.state)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(json.loads(answers.read_text()))


def dbt(lake: Any, folder: Path, run: str, *arguments: str, **variables: str) -> str:
    project = HERE / "marts"
    command = [str(lake.site.pythons["dbt"].with_name("dbt")), "--no-use-colors", "run", *arguments]
    command += ["--project-dir", str(project), "--profiles-dir", str(project), "--vars", json.dumps({"run": run})]
    result = subprocess.run(
        [*command, "--target-path", str(folder / "target"), "--log-path", str(folder / "logs")],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "LAKEHOLD_TRINO_HOST": lake.site.host,
            "LAKEHOLD_TRINO_PORT": str(lake.site.ports["trino"]),
            "LAKEHOLD_TRINO_CA": str(lake.site.tls / "ca.pem"),
            "LAKEHOLD_TRINO_PASSWORD": lake.site.secrets["trino.dbt"],
            **variables,
        },
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return result.stdout


def prepare(lake: Any) -> list[str]:
    """A table with two snapshots and a clone of it that has a third; returns the objects of the bucket."""
    lake.clear()
    sql(lake, "CREATE TABLE gold.t AS SELECT 1 n, 'zero' run")
    sql(lake, "INSERT INTO gold.t VALUES (2, 'zero')")
    sql(lake, "CREATE TABLE gold.safe AS SELECT 1 n")
    lake.verb("clone", *OF, "--schema", "gold")
    sql(lake, f"INSERT INTO {SHADOW}.t VALUES (3, 'one')")
    return list(lake.part("files"))


def intact(lake: Any, before: list[str]) -> None:
    """Nothing is gone from the bucket, and both tables answer."""
    assert set(before) <= set(lake.part("files"))
    assert sql(lake, "SELECT count(*) FROM gold.t") == [[2]]
    assert sql(lake, f"SELECT count(*) FROM {SHADOW}.t") == [[3]]


@pytest.mark.parametrize("table", ["gold.t", f"{SHADOW}.t"])
def test_trino_and_pyiceberg_are_refused(lake: Any, table: str) -> None:
    before = prepare(lake)
    schema = table.split(".")[0]
    for statement in (
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} RENAME TO {schema}.moved",
        f"ALTER TABLE {table} RENAME TO silver.moved",
        f"CALL lakehouse.system.unregister_table('{schema}', 't')",
    ):
        assert json.dumps(REFUSED)[1:-1] in refusal(lake, statement), statement
    assert refusal(lake, f"DROP SCHEMA {schema} CASCADE")
    for deed in ("drop", "purge", "rename"):
        said = lake.part("attempt", {"deed": deed, "table": table})
        assert REFUSED in said, said
        assert f"discard '{AUDIT.run}'" in said
    assert lake.part("attempt", {"deed": "schema", "table": schema}) != "done"
    intact(lake, before)
    lake.verb("publish", *OF)
    assert sql(lake, "SELECT count(*) FROM gold.t") == [[3]]
    sql(lake, "DROP TABLE gold.t")


def test_lakehold_sql_says_why(lake: Any) -> None:
    prepare(lake)
    with pytest.raises(TrinoQueryError) as refused:
        sql(lake, "DROP TABLE gold.t")
    said = _reason(refused.value.failure_info)
    assert said.startswith(f"lakehold refuses to drop gold.t: it shares files with {SHADOW}.t while {REFUSED}. Wait")


def test_iceberg_itself_refuses_to_expire_a_clone(lake: Any) -> None:
    before = prepare(lake)
    with closing(connect(lake.site, "admin")) as connection:
        cursor = connection.cursor()
        cursor.execute("SET SESSION lakehouse.expire_snapshots_min_retention = '0s'").fetchall()
        with pytest.raises(TrinoQueryError):
            cursor.execute(f"ALTER TABLE {SHADOW}.t EXECUTE expire_snapshots(retention_threshold => '0s')").fetchall()
    intact(lake, before)


@pytest.mark.parametrize("table", ["gold.t", f"{SHADOW}.t"])
def test_trino_removes_no_orphans_of_a_clone_or_its_original(lake: Any, table: str) -> None:
    prepare(lake)
    # Trino would take the rows written beside the clone from the one, and the run's from the other.
    sql(lake, "DELETE FROM gold.t WHERE n = 1")
    sql(lake, "INSERT INTO gold.t VALUES (5, 'zero')")
    before = list(lake.part("files"))
    with closing(connect(lake.site, "admin")) as connection:
        cursor = connection.cursor()
        with pytest.raises(TrinoQueryError, match="Cannot set catalog session property"):
            cursor.execute("SET SESSION lakehouse.remove_orphan_files_min_retention = '0s'").fetchall()
        for age in ("0s", "30d"):
            with pytest.raises(TrinoQueryError, match="shorter than the minimum retention"):
                cursor.execute(f"ALTER TABLE {table} EXECUTE remove_orphan_files('{age}')").fetchall()
    intact(lake, before)


def test_spark_is_refused_or_harmless(lake: Any, tmp_path: Path) -> None:
    before = prepare(lake)
    tables = {"original": "lakehouse.gold.t", "clone": f"lakehouse.{SHADOW}.t"}
    deeds = {
        "drop": "DROP TABLE {table}",
        "purge": "DROP TABLE {table} PURGE",
        "rename": "ALTER TABLE {table} RENAME TO {schema}.moved",
    }
    wanted = {
        f"{deed} {which}": statement.format(table=table, schema=table.split(".")[1])
        for deed, statement in deeds.items()
        for which, table in tables.items()
    }
    oldest = "TIMESTAMP '2100-01-01 00:00:00'"
    for procedure in ("expire_snapshots", "remove_orphan_files"):
        call = f"CALL lakehouse.system.{procedure}(table => '{SHADOW}.t', older_than => {oldest})"
        wanted[procedure] = call
    wanted["rows"] = "SELECT count(*) FROM lakehouse.gold.t"
    wanted["insert"] = f"INSERT INTO lakehouse.{SHADOW}.t VALUES (4, 'one')"
    wanted["replace"] = f"CREATE OR REPLACE TABLE lakehouse.{SHADOW}.safe USING iceberg AS SELECT 7 AS n, 'x' AS more"
    answers = spark(lake, tmp_path, wanted)
    for name in wanted:
        if name.split()[0] in deeds:
            assert isinstance(answers[name], str), name
            # Spark asks the clone's own metadata before it even tries to purge.
            assert REFUSED in answers[name] or (name == "purge clone" and GUARDED in answers[name]), answers[name]
    for procedure in ("expire_snapshots", "remove_orphan_files"):
        assert GUARDED in answers[procedure], answers[procedure]
    assert answers["rows"] == [[2]]
    assert answers["insert"] == answers["replace"] == []
    assert set(before) <= set(lake.part("files"))
    lake.verb("publish", *OF)
    assert sql(lake, "SELECT count(*) FROM gold.t") == [[4]]
    assert sql(lake, "SELECT n, more FROM gold.safe") == [[7, "x"]]
    lake.verb("rollback", AUDIT.run)
    assert sql(lake, "SELECT * FROM gold.safe") == [[1]]


def test_dbt_builds_in_a_shadow_and_its_full_refresh_takes_nothing_away(lake: Any, tmp_path: Path) -> None:
    lake.clear()
    dbt(lake, tmp_path, "zero")
    assert sql(lake, "SELECT * FROM gold.seen") == [["zero", "zero"]]
    lake.verb("clone", *OF, "--schema", "gold")
    before = lake.part("files")
    variables = environment(AUDIT, ["gold"])
    told = dbt(lake, tmp_path, "one", "--full-refresh", LAKEHOLD_SCHEMA_GOLD=variables["LAKEHOLD_SCHEMA_GOLD"])
    assert "PASS=3 WARN=0 ERROR=1" in told, told
    assert f"Failed to rename table from {SHADOW}.renamed" in told, told
    assert set(before) <= set(lake.part("files"))
    assert sql(lake, f"SELECT * FROM {SHADOW}.seen") == [["one", "one"]]
    assert sql(lake, "SELECT * FROM gold.seen") == [["zero", "zero"]]
    lake.verb("publish", *OF)
    assert sql(lake, "SELECT * FROM gold.seen") == [["one", "one"]]
    assert sql(lake, "SELECT run FROM gold.renamed") == [["zero"]]
    # Incremental again, in the next run's shadow.
    lake.verb("clone", "--run", LATER.run, "--group", LATER.group, "--schema", "gold")
    shadow = LATER.schema("gold")
    told = dbt(lake, tmp_path, "two", "--exclude", "renamed", LAKEHOLD_SCHEMA_GOLD=shadow)
    assert "PASS=3 WARN=0 ERROR=0" in told, told
    lake.verb("publish", "--run", LATER.run, "--group", LATER.group)
    assert sql(lake, "SELECT run FROM gold.grown ORDER BY 1") == [["one"], ["two"]]
    one = f"SELECT run FROM gold.grown FOR VERSION AS OF '{tag_of(AUDIT.run)}'"
    assert sql(lake, one) == [["one"]]


def test_dbts_full_refresh_of_an_original_takes_nothing_from_a_shadow(lake: Any, tmp_path: Path) -> None:
    lake.clear()
    dbt(lake, tmp_path, "zero")
    lake.verb("clone", *OF, "--schema", "gold")
    sql(lake, f"INSERT INTO {SHADOW}.grown VALUES (3, 'one')")
    before = lake.part("files")
    told = dbt(lake, tmp_path, "by hand", "--full-refresh")
    assert "PASS=3 WARN=0 ERROR=1" in told, told
    assert "Failed to rename table from gold.renamed" in told, told
    assert set(before) <= set(lake.part("files"))
    assert sql(lake, "SELECT run FROM gold.grown") == [["by hand"]]
    assert sql(lake, f"SELECT run FROM {SHADOW}.grown ORDER BY 1") == [["one"], ["zero"]]
    # The run would undo what was done by hand, so it is told and moves nothing.
    code, _, err = lake.part("verb", ["publish", *OF])
    assert code == ConflictError.exit_code, err
    assert sql(lake, "SELECT run FROM gold.grown") == [["by hand"]]


def test_views_schemas_and_partitions_go_along(lake: Any) -> None:
    lake.clear()
    sql(lake, "CREATE TABLE gold.t AS SELECT 1 n, 'a' s, 'gone' dropped")
    sql(lake, "CREATE VIEW gold.same AS SELECT count(*) rows FROM gold.t")
    sql(lake, "CREATE VIEW gold.other AS SELECT n FROM t")
    sql(lake, "CREATE VIEW gold.past AS SELECT 1 one")
    (snapshot,) = sql(lake, 'SELECT snapshot_id FROM gold."t$snapshots" ORDER BY committed_at DESC LIMIT 1')[0]
    lake.verb("clone", *OF, "--schema", "gold")
    for statement in (
        "ALTER TABLE {}.t DROP COLUMN dropped",
        "ALTER TABLE {}.t ADD COLUMN added bigint",
        "ALTER TABLE {}.t SET PROPERTIES partitioning = ARRAY['s']",
        "INSERT INTO {}.t VALUES (2, 'b', 5)",
        "CREATE OR REPLACE VIEW {0}.other AS SELECT n, added FROM {0}.t",
        "CREATE VIEW {0}.more AS SELECT max(n) m FROM {0}.t",
        "DROP VIEW {}.past",
        "CREATE TABLE {}.past AS SELECT 2 two",
    ):
        sql(lake, statement.format(SHADOW))
    # What was cloned judges the shadow's rows, not those that are published.
    assert sql(lake, f"SELECT * FROM {SHADOW}.same") == [[2]]
    assert sql(lake, "SELECT * FROM gold.same") == [[1]]
    lake.verb("publish", *OF)
    assert sql(lake, "SELECT * FROM gold.t ORDER BY n") == [[1, "a", None], [2, "b", 5]]
    assert sql(lake, "SELECT * FROM gold.other ORDER BY n") == [[1, None], [2, 5]]
    assert sql(lake, "SELECT * FROM gold.more, gold.same, gold.past") == [[2, 2, 2]]
    assert "audit" not in sql(lake, "SHOW CREATE VIEW gold.other")[0][0]
    assert sql(lake, "SHOW SCHEMAS LIKE '%audit%'") == []
    assert "s3://lakehouse/gold" in sql(lake, "SHOW CREATE SCHEMA gold")[0][0]
    assert sql(lake, f"SELECT * FROM gold.t FOR VERSION AS OF {snapshot}") == [[1, "a", "gone"]]
    lake.verb("rollback", AUDIT.run)
    assert sql(lake, "SELECT * FROM gold.t") == [[1, "a", "gone"]]
    assert sql(lake, "SELECT * FROM gold.past, gold.other, gold.same") == [[1, 1, 1]]
    assert "does not exist" in refusal(lake, "SELECT * FROM gold.more")
    lake.verb("rollback", AUDIT.run, "--to", "after")
    assert sql(lake, "SELECT * FROM gold.more, gold.same, gold.past") == [[2, 2, 2]]


@pytest.mark.parametrize("maker", ["trino", "pyiceberg"])
def test_statistics_and_tags_of_any_engine_go_along(lake: Any, maker: str) -> None:
    lake.clear()
    if maker == "trino":
        sql(lake, "CREATE TABLE gold.t AS SELECT 'zero' run, BIGINT '1' n")
    else:
        lake.part("write", {"run": "zero", "tables": ["gold.t"], "numbers": [1]})
    lake.verb("clone", *OF, "--schema", "gold")
    lake.part("write", {"run": "one", "tables": [f"{SHADOW}.t"], "numbers": [2]})
    # Each engine writes the whole metadata anew, in its own way.
    sql(lake, "ANALYZE gold.t")
    lake.part("set_ref", {"table": "gold.t", "deed": "tag", "name": "mine"})
    measured = lake.part("measured", "gold.t")
    assert measured
    lake.verb("publish", *OF)
    assert set(measured) <= set(lake.part("measured", "gold.t"))
    assert sql(lake, "SELECT n FROM gold.t FOR VERSION AS OF 'mine'") == [[1]]
    assert sql(lake, "SELECT n FROM gold.t ORDER BY n") == [[1], [2]]


def test_a_reader_never_sees_what_was_not_published(lake: Any) -> None:
    lake.clear()
    spec = importlib.util.spec_from_file_location("bench_publishing", REPOSITORY / "bench" / "publishing.py")
    assert spec
    assert spec.loader
    bench = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = bench
    spec.loader.exec_module(bench)
    result = bench.reading(lake, runs=20)
    assert result["violations"] == []
    assert result["fates"]["published"]
    assert result["fates"]["failed"]
    assert result["answers_by_tag"] > 5
