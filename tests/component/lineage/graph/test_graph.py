"""From events to the graph, in a real PostgreSQL."""

import random
from datetime import timedelta

import pytest
from told_events import (
    START,
    Derived,
    Event,
    application,
    event,
    place_of,
    query,
    run_id,
    spark_table,
    spark_write,
    task,
    trino_table,
)

pytestmark = pytest.mark.component

SELECT = "INSERT INTO gold.delays SELECT origin, arr_delay + 1 AS late FROM silver.flights"


def joined(
    run: str, minute: float, sources: dict[str, list[str]], *, end: str = "COMPLETE", shadow: str = ""
) -> list[Event]:
    """A task that starts an application that writes silver.flights from bronze.flights."""
    target = spark_table(f"silver{shadow}.flights", place=place_of("silver.flights"), columns=sources)
    return [
        *task("silver.join", f"task-{run}", minute, end=end),
        *application("join", f"app-{run}", minute + 1, parent=(f"task-{run}", "flights_daily.silver.join")),
        *spark_write(
            "join", f"sql-{run}", minute + 2, parent=f"app-{run}", inputs=[spark_table("bronze.flights")], output=target
        ),
    ]


ORIGIN = {"origin": ["bronze.flights.origin"]}
BOTH = {**ORIGIN, "dest": ["bronze.flights.dest"]}
BY_JOIN = "by flights_daily.silver.join"


def test_a_write_is_an_edge_of_the_task_that_started_it(derived: Derived) -> None:
    derived.tell(joined("1", 0, ORIGIN, shadow="__audit_0123456789"))
    assert derived.edges() == [
        f"bronze.flights -> silver.flights {BY_JOIN}",
        f"bronze.flights.origin -> silver.flights.origin IDENTITY {BY_JOIN}",
    ]
    nodes = derived.rows("SELECT namespace, name, kind FROM node ORDER BY name")
    assert [tuple(row.values()) for row in nodes] == [
        ("lakehouse", "bronze.flights", "table"),
        ("lakehouse", "silver.flights", "table"),
    ]
    aliases = derived.rows(
        "SELECT d.name, n.name AS node FROM alias JOIN dataset d USING (dataset_id)"
        " JOIN node n USING (node_id) ORDER BY 1"
    )
    assert [tuple(row.values()) for row in aliases] == [
        ("bronze/flights-1f", "bronze.flights"),
        ("silver/flights-1f", "silver.flights"),
    ]
    runs = derived.rows("SELECT r.run_id::text, process_run::text FROM run r JOIN process USING (process_id)")
    assert {row["process_run"] for row in runs} == {run_id("task-1")}
    assert {row["run_id"] for row in runs} == {run_id(name) for name in ("task-1", "app-1", "sql-1")}


def test_the_graph_can_be_asked_for_any_date(derived: Derived) -> None:
    derived.tell([*joined("1", 0, BOTH), *joined("2", 100, ORIGIN), *joined("3", 200, BOTH)])
    dest = f"bronze.flights.dest -> silver.flights.dest IDENTITY {BY_JOIN}"
    for minute, there in ((1, False), (50, True), (150, False), (250, True)):
        assert (dest in derived.edges(START + timedelta(minutes=minute))) is there, minute
    spans = derived.rows("SELECT first_run::text, last_run::text FROM edge WHERE how = '' ORDER BY 1")
    assert [tuple(row.values()) for row in spans] == [(run_id("sql-1"), run_id("sql-3"))]


def test_a_run_that_failed_wrote_nothing_and_a_task_that_failed_ends_nothing(derived: Derived) -> None:
    failed = joined("2", 100, ORIGIN, end="FAIL")
    derived.tell([*joined("1", 0, BOTH), *failed])
    assert len(derived.edges()) == 3
    app = application("join", "app-3", 201, parent=("task-3", "flights_daily.silver.join"))
    broken = spark_write(
        "join", "sql-3", 202, parent="app-3", inputs=[spark_table("bronze.planes")],
        output=spark_table("silver.flights", columns={}), end="FAIL",
    )  # fmt: skip
    derived.tell([*task("silver.join", "task-3", 200), *app, *broken])
    assert len(derived.edges()) == 3


@pytest.mark.parametrize("seed", [1, 2])
def test_neither_order_nor_size_of_steps_nor_repetition_matters(derived: Derived, seed: int) -> None:
    events = [
        *joined("1", 0, BOTH), *joined("2", 100, ORIGIN), *joined("3", 200, BOTH, end="FAIL"),
        *joined("4", 300, ORIGIN),
        *query(SELECT, "q1", 120, reads=["silver.flights"], writes="gold.delays", user="engineer"),
        event("COMPLETE", "seen", "seen", 1, outputs=[spark_table("silver.flights", schema=["origin", "arr_delay"])]),
    ]  # fmt: skip
    derived.tell(events)
    expected = _everything(derived)
    for table in ("event", "due", "statement", "writing", "shape", "edge", "alias", "location", "field", "run_dataset"):
        derived.execute(f"TRUNCATE {table} CASCADE")
    derived.execute("UPDATE stage SET position = 0")
    random_ = random.Random(seed)  # noqa: S311 - to make test data
    shuffled = random_.sample(events, len(events))
    derived.tell(shuffled, step=random_.choice([3, 7]))
    assert _everything(derived) == expected
    derived.execute("UPDATE stage SET position = 0 WHERE name = 'graph2'")
    derived.drain()
    assert _everything(derived) == expected


def _everything(derived: Derived) -> list[object]:
    moments = [START + timedelta(minutes=minute) for minute in range(0, 400, 10)]
    statements = derived.rows("SELECT run_id, sql, believed, unknown, at FROM statement ORDER BY 1")
    processes = derived.rows("SELECT name, kind FROM process ORDER BY 1")
    return [[derived.edges(at) for at in moments], statements, processes]


def test_a_place_that_becomes_known_later_is_its_table_from_the_start(derived: Derived) -> None:
    unnamed = {"namespace": "s3://lakehouse", "name": "bronze/flights-1f"}
    target = spark_table("silver.flights", columns=ORIGIN)
    derived.tell([event("COMPLETE", "copy", "copy", 1, inputs=[unnamed], outputs=[target])])
    assert "bronze/flights-1f -> silver.flights by copy" in derived.edges()
    derived.tell([event("START", "look", "look", 5, inputs=[spark_table("bronze.flights")])])
    assert derived.edges() == [
        "bronze.flights -> silver.flights by copy",
        "bronze.flights.origin -> silver.flights.origin IDENTITY by copy",
    ]


def test_sql_is_read_again_when_its_tables_are_known(derived: Derived) -> None:
    star = "CREATE TABLE gold.copy AS SELECT * FROM silver.flights"
    derived.tell(query(star, "q", 10, reads=["silver.flights"], writes="gold.copy", user="engineer"))
    assert derived.edges() == ["silver.flights -> gold.copy by user:engineer"]
    schema = spark_table("silver.flights", schema=["origin", "dest"])
    derived.tell([event("COMPLETE", "earlier", "earlier", 5, outputs=[schema])])
    assert derived.edges() == [
        "silver.flights -> gold.copy by user:engineer",
        "silver.flights.dest -> gold.copy.dest IDENTITY by user:engineer",
        "silver.flights.origin -> gold.copy.origin IDENTITY by user:engineer",
    ]


def test_a_model_of_dbt_is_a_process_and_its_run_that_of_the_task(derived: Derived) -> None:
    derived.tell(
        [
            *task("gold.build", "build", 0),
            *query(
                "CREATE TABLE gold__audit_0123456789.delays AS SELECT avg(arr_delay) AS late FROM silver.flights",
                "q", 1, reads=["silver.flights"], writes="gold__audit_0123456789.delays",
                parent=("build", "flights_daily.gold.build"), model="model.lakehold.delays",
            ),
        ]
    )  # fmt: skip
    assert "silver.flights.arr_delay -> gold.delays.late AGGREGATION by dbt:delays" in derived.edges()
    (statement,) = derived.rows("SELECT sql, kind, believed, process_run::text FROM statement JOIN run USING (run_id)")
    assert "gold.delays" in statement["sql"]
    assert (statement["kind"], statement["believed"]) == ("create", "sql")
    assert statement["process_run"] == run_id("build")


def test_what_one_person_wrote_yesterday_is_not_undone_by_what_he_writes_today(derived: Derived) -> None:
    def insert(run: str, minute: float, source: str) -> list[Event]:
        sql = f"INSERT INTO gold.notes SELECT origin FROM {source}"
        return query(sql, run, minute, reads=[source], writes="gold.notes", user="engineer")

    derived.tell([*insert("q1", 0, "bronze.flights"), *insert("q2", 10, "bronze.planes")])
    assert [line for line in derived.edges() if " -> gold.notes by" in line] == [
        "bronze.flights -> gold.notes by user:engineer",
        "bronze.planes -> gold.notes by user:engineer",
    ]
    anew = "CREATE OR REPLACE TABLE gold.notes AS SELECT faa FROM bronze.airports"
    derived.tell(query(anew, "q3", 20, reads=["bronze.airports"], writes="gold.notes", user="engineer"))
    assert [line for line in derived.edges() if " -> gold.notes by" in line] == [
        "bronze.airports -> gold.notes by user:engineer"
    ]


def test_sql_that_cannot_be_read_says_why_and_keeps_its_names(derived: Derived) -> None:
    derived.tell(query("INSERT INTO )(", "q", 0, reads=["silver.flights"], writes="gold.delays", user="engineer"))
    assert derived.edges() == ["silver.flights -> gold.delays by user:engineer"]
    (statement,) = derived.rows("SELECT believed, unknown FROM statement")
    assert statement["believed"] == "names"
    assert statement["unknown"][""]


def test_results_of_gates_are_kept_with_table_and_column(derived: Derived) -> None:
    assertions = [
        {"assertion": "not_null", "column": "origin", "success": True, "severity": "error"},
        {"assertion": "row_count", "name": "a_whole_day", "success": False, "actual": "3\x00"},
        {"assertion": 7, "success": True},
        {"assertion": "no_verdict"},
    ]
    gate = {**trino_table("silver.flights"), "inputFacets": {"dataQualityAssertions": {"assertions": assertions}}}
    derived.tell([event("COMPLETE", "gate", "quality.silver", 3, inputs=[gate])])
    rows = derived.rows(
        "SELECT n.name AS node, column_name, r.name, success, details"
        " FROM assertion_result r JOIN node n USING (node_id) ORDER BY column_name"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("silver.flights", "", "a_whole_day", False, {"assertion": "row_count", "actual": "3\ufffd"}),
        ("silver.flights", "origin", "not_null", True, {"assertion": "not_null", "severity": "error"}),
    ]


def test_only_what_changed_is_told(derived: Derived) -> None:
    def told() -> dict[str, int]:
        rows = derived.rows("SELECT kind, count(DISTINCT id) AS ids FROM change GROUP BY 1")
        derived.execute("TRUNCATE change")
        return {row["kind"]: row["ids"] for row in rows}

    derived.tell(joined("1", 0, BOTH))
    assert told() == {"edge": 1, "node": 2, "process": 1, "run": 3}
    derived.tell(joined("2", 100, BOTH))
    assert told() == {"run": 3}
    derived.tell(joined("3", 200, ORIGIN))
    assert told() == {"run": 3, "edge": 1}
