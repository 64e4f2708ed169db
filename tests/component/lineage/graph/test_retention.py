"""What is removed in time, where there is much of it and where something stands in the way."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from told_events import START, Derived, Event, event, query, run_id, spark_table, spark_write, task

pytestmark = pytest.mark.component

DAY = 24 * 60


@pytest.fixture
def now() -> float:
    """Minutes from the events' beginning of time to now."""
    return (datetime.now(UTC) - START) / timedelta(minutes=1)


def apply(derived: Derived) -> None:
    async def connected() -> None:
        from lakehold.lineage.database import connect
        from lakehold.lineage.graph import retention

        async with await connect(derived.database, "test") as connection:
            await retention.apply(connection, events_days=90, history_days=730)

    asyncio.run(connected())


def age(derived: Derived) -> None:
    derived.execute("UPDATE event SET received_at = received_at - interval '100 days'")


def count(derived: Derived, table: str) -> int:
    return int(derived.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def copy(job: str, minute: float, *, source: str = "bronze.flights", end: str = "COMPLETE") -> Event:
    sides = {"inputs": [spark_table(source)], "outputs": [spark_table(f"silver.{job}")]}
    return event(end, f"{job}-{minute}", job, minute, **sides)


def test_every_process_loses_what_is_old_of_it(derived: Derived, now: float) -> None:
    """Also the last of many, each of which always has a little that is old."""
    jobs = [f"job{number}" for number in range(120)]
    derived.tell([copy(job, now - age) for job in jobs for age in (800 * DAY, 1)])
    edges = derived.edges()
    age(derived)
    apply(derived)
    assert count(derived, "writing") == len(jobs)
    assert derived.edges() == edges
    assert count(derived, "run") == len(jobs)


def test_a_run_of_a_process_that_is_half_old_stays_whole(derived: Derived, now: float) -> None:
    """What its later statement alone reads is not all it read."""
    limit = now - 730 * DAY

    def written(run: str, minute: float, second: float) -> list[Event]:
        told = task("load", run, minute, took=second - minute + 5)
        for name, at in (("flights", minute), ("planes", second)):
            told += spark_write(
                "app", f"{run}-{name}", at, parent=run, inputs=[spark_table(f"bronze.{name}")],
                output=spark_table("silver.flights", columns={}),
            )  # fmt: skip
        return told

    derived.tell([*written("old", limit - 3 * DAY, limit - 2 * DAY), *written("half", limit - DAY, limit + DAY)])
    edges = derived.edges()
    assert len(edges) == 2
    age(derived)
    apply(derived)
    assert count(derived, "writing") == 2
    derived.execute("INSERT INTO due_pair SELECT DISTINCT process_id, target_node FROM writing")
    derived.drain()
    assert derived.edges() == edges
    first = derived.rows("SELECT min(first_seen) AS at FROM edge")[0]["at"]
    assert first < START + timedelta(minutes=limit - 2 * DAY)


def test_what_has_been_going_on_for_years_loses_what_is_old(derived: Derived, now: float) -> None:
    app = [event("START", "app", "app", now - 900 * DAY)]
    batches = [
        event("COMPLETE", f"batch-{age}", "batch", now - age * DAY, parent=("app", "app"),
              inputs=[spark_table("bronze.flights")], outputs=[spark_table("silver.flights")])
        for age in (899, 800, 100, 1)
    ]  # fmt: skip
    derived.tell([*app, *batches])
    edges = derived.edges()
    age(derived)
    apply(derived)
    assert count(derived, "writing") == 2
    derived.execute("INSERT INTO due_pair SELECT DISTINCT process_id, target_node FROM writing")
    derived.drain()
    assert derived.edges() == edges
    assert derived.rows("SELECT min(first_seen) AS at FROM edge")[0]["at"] < datetime.now(UTC) - timedelta(days=890)


def test_statements_that_nobody_can_read_go(derived: Derived, now: float) -> None:
    old = now - 800 * DAY
    for number in range(3):
        told = query("INSERT INTO )(", f"q{number}", old + number, reads=["silver.x"], writes="gold.x", user="a")
        derived.tell([{**one, "outputs": []} for one in told])
    assert derived.rows("SELECT DISTINCT target_node FROM statement") == [{"target_node": None}]
    age(derived)
    apply(derived)
    assert [str(row["run_id"]) for row in derived.rows("SELECT run_id FROM run")] == [run_id("q2")]


def test_a_process_stays_while_something_names_it(derived: Derived) -> None:
    derived.tell([copy("copy", 0), event("COMPLETE", "later", "later", 1)])
    derived.execute("UPDATE run SET process_id = NULL")
    derived.execute("DELETE FROM writing")
    derived.execute("DELETE FROM shape")
    apply(derived)
    assert [row["name"] for row in derived.rows("SELECT name FROM process")] == ["copy"]
    assert len(derived.edges()) == 1


def test_what_cannot_be_removed_does_not_keep_the_rest(
    derived: Derived, now: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lakehold.lineage.graph import retention

    derived.tell([copy("copy", now - 800 * DAY), copy("copy", now - 1)])
    age(derived)
    first = [
        (what, "SELECT 1 / 0" if what == "edges" else statement, most) for what, statement, most in retention._FIRST
    ]
    monkeypatch.setattr(retention, "_FIRST", first)
    apply(derived)
    assert "old edges are not removed now" in caplog.text
    assert count(derived, "writing") == 1
    assert count(derived, "run") == 1


def test_neither_stage_works_meanwhile(derived: Derived, now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehold.lineage.graph import retention

    free: list[set[str]] = []
    position = retention._by

    def looking(statement: Any, values: Any) -> Any:
        remove = position(statement, values)

        async def looked(connection: Any) -> bool:
            with psycopg.connect(derived.database) as other:
                rows = other.execute("SELECT name FROM stage FOR UPDATE SKIP LOCKED").fetchall()
            free.append({row[0] for row in rows} & {"graph", "graph2"})
            return bool(await remove(connection))

        return looked

    monkeypatch.setattr(retention, "_by", looking)
    derived.tell([copy("copy", now)])
    apply(derived)
    assert free
    assert set().union(*free) == set()


def test_a_large_amount_of_what_was_withdrawn_goes(derived: Derived) -> None:
    """More pairs, and more files that nothing names any more, than are removed at once."""
    jobs = [f"job{number}" for number in range(120)]
    derived.tell([copy(job, 0) for job in jobs])
    derived.tell([copy(job, 5, end="FAIL") | {"run": copy(job, 0)["run"]} for job in jobs])
    derived.execute("UPDATE edge SET last_seen = last_seen - interval '2 days'")
    derived.execute(
        "INSERT INTO node (namespace, name, kind, first_seen, last_seen)"
        " SELECT 's3://b', 'f' || n, 'file', now(), now() FROM generate_series(1, 250) AS n"
    )
    assert derived.edges() == []
    apply(derived)
    assert (count(derived, "edge"), count(derived, "shape"), count(derived, "writing")) == (0, 0, 0)
    assert derived.rows("SELECT 1 FROM node WHERE kind = 'file'") == []


def test_what_edges_are_still_made_from_stays(derived: Derived) -> None:
    derived.tell([copy("copy", 0)])
    derived.execute(
        "INSERT INTO node (namespace, name, kind, first_seen, last_seen) VALUES ('s3://b', 'f', 'file', now(), now())"
    )
    derived.execute("INSERT INTO due_pair (process_id, target_node) VALUES (-1, -1)")
    apply(derived)
    assert len(derived.rows("SELECT 1 FROM node WHERE kind = 'file'")) == 1
    derived.drain()
    apply(derived)
    assert derived.rows("SELECT 1 FROM node WHERE kind = 'file'") == []


def test_what_a_writing_names_stays_though_no_edge_comes_from_it_now(derived: Derived, now: float) -> None:
    """Its edges can be made anew at any time."""
    file = {"namespace": "s3://b", "name": "f"}
    derived.tell([event("COMPLETE", "a", "copy", now, inputs=[file], outputs=[spark_table("silver.copy")])])
    edges = derived.edges()
    assert edges
    derived.execute("UPDATE edge SET ended_at = first_seen, last_seen = last_seen - interval '100 days'")
    derived.execute("DELETE FROM location l USING node n WHERE n.node_id = l.node_id AND n.kind = 'file'")
    derived.execute("DELETE FROM alias a USING node n WHERE n.node_id = a.node_id AND n.kind = 'file'")
    apply(derived)
    assert count(derived, "edge") == 0
    derived.execute("INSERT INTO due_pair SELECT DISTINCT process_id, target_node FROM writing")
    derived.drain()
    assert derived.edges() == edges


def test_what_refers_to_what_is_removed_is_found_by_an_index(migrated: str) -> None:
    """Else each row that is removed costs a look at all of another table."""
    foreign = """
        SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid::regclass::text
            IN ('run', 'process', 'node', 'field', 'dataset', 'shape', 'job')
            AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
                            AND i.indkey[0] = a.attnum)"""
    with psycopg.connect(migrated) as connection:
        assert connection.execute(foreign).fetchall() == []


def test_what_every_run_and_event_moves_is_in_no_index(migrated: str) -> None:
    """Else each of them writes a new entry in every index of the row."""
    with psycopg.connect(migrated) as connection:
        moved = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename IN ('edge', 'run') AND indexdef LIKE '%last\\_%'"
        ).fetchall()
    assert moved == []
