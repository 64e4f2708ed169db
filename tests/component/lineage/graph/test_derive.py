"""How runs are derived: in which order, what holds whom up, and what is taken back."""

import asyncio
import dataclasses
import random
import string
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from told_events import START, Derived, Event, event, query, run_id, spark_table

pytestmark = pytest.mark.component

FACETS = {"jobType": {"integration": "SPARK", "jobType": "SQL_JOB", "processingType": "STREAMING"}}


def copy(run: str, minute: float, source: str = "bronze.flights", *, end: str = "COMPLETE") -> Event:
    sides = {"inputs": [spark_table(source)], "outputs": [spark_table("silver.flights")]}
    return event(end, run, "copy", minute, **sides)


def with_connection(derived: Derived, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        from lakehold.lineage.database import connect

        async with await connect(derived.database, "test") as connection:
            return await work(connection)

    return asyncio.run(connected())


def step(derived: Derived, limit: int = 50) -> int:
    from lakehold.lineage.graph import derive
    from lakehold.lineage.graph.readings import SqlReader

    return int(with_connection(derived, lambda connection: derive.step(connection, SqlReader("lakehouse"), limit)))


def queue(derived: Derived) -> list[str]:
    return [str(row["run_id"]) for row in derived.rows("SELECT run_id FROM due ORDER BY at")]


def test_names_that_no_index_could_hold(derived: Derived) -> None:
    chance = random.Random(7)  # noqa: S311 - text that does not compress
    long = ["".join(chance.choices(string.ascii_letters + string.digits, k=6000)) for _ in range(2)]
    gate = {
        **spark_table("silver.flights"),
        "inputFacets": {
            "dataQualityAssertions": {
                "assertions": [{"assertion": long[0], "success": True}, {"assertion": long[1], "success": False}]
            }
        },
    }
    output = spark_table("silver.flights", columns={long[0]: [f"bronze.flights.{long[1]}"]}, schema=long)
    derived.tell(
        [
            event("COMPLETE", "odd", "odd", 0, inputs=[spark_table("bronze.flights"), gate], outputs=[output]),
            event("COMPLETE", "job\x00", "j" * 9000 + long[0], 0),
            copy("good", 1),
        ]
    )
    assert "bronze.flights -> silver.flights by copy" in derived.edges()
    assert f"bronze.flights.{long[1]} -> silver.flights.{long[0]} IDENTITY by odd" in derived.edges()
    assert {row["name"] for row in derived.rows("SELECT name FROM assertion_result")} == set(long)
    assert derived.rows("SELECT 1 FROM run WHERE problem IS NOT NULL") == []


def test_an_event_that_cannot_be_taken_is_left_out_alone(
    derived: Derived, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lakehold.lineage.graph import names, take

    plain = names.datasets_of

    def too_large(told: Any) -> Any:
        if told["job"]["name"] == "odd":
            raise psycopg.errors.ProgramLimitExceeded
        return plain(told)

    monkeypatch.setattr(names, "datasets_of", too_large)
    odd = event("COMPLETE", "odd", "odd", 1, outputs=[spark_table("silver.flights")])
    derived.tell([copy("1", 0), odd, copy("2", 2)])
    assert [row["n"] for row in derived.rows("SELECT count(*) AS n FROM writing")] == [2]
    assert "is left out" in caplog.text
    # Where somebody else has taken it in meanwhile, nothing is left out.
    skipped = with_connection(derived, lambda c: take._skip(c, take._Tried(low=0, high=1)))
    assert skipped == 0
    assert derived.rows("SELECT 1 FROM stage WHERE position = 1") == []


def test_only_what_was_attempted_is_given_up(derived: Derived, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehold.lineage.graph import runs

    derived.tell([copy("early", 0), copy("odd", 5)])
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run WHERE run_id = %s", run_id("odd"))

    async def fails(*_: object) -> None:
        # Meanwhile another one is queued, which comes before it.
        derived.execute(
            "INSERT INTO due SELECT run_id, first_seen FROM run WHERE run_id = %s ON CONFLICT DO NOTHING",
            run_id("early"),
        )
        raise psycopg.errors.ProgramLimitExceeded("too large")

    load = runs.load
    monkeypatch.setattr(runs, "load", fails)
    with_connection(
        derived, lambda connection: runs.give_up(connection, {UUID(run_id("odd")): runs.Waiting(-1, 0)}, "not this")
    )
    assert step(derived, 1) == 1
    monkeypatch.setattr(runs, "load", load)
    problems = derived.rows("SELECT run_id::text, problem FROM run WHERE problem IS NOT NULL")
    assert [(row["run_id"], row["problem"]) for row in problems] == [(run_id("odd"), "ProgramLimitExceeded: too large")]
    assert queue(derived) == [run_id("early")]


def test_the_oldest_is_derived_first(derived: Derived) -> None:
    derived.tell([copy(str(number), number) for number in range(9)])
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    for left in range(8, -1, -1):
        assert step(derived, 1) >= 1
        assert queue(derived) == [run_id(str(number)) for number in range(9 - left, 9)]


def many(count: int, *, first: int = 0) -> list[Event]:
    """Runs of as many jobs, each of which writes a table of its own."""
    return [
        event(
            "COMPLETE", f"many{number}", f"job{number}", number, inputs=[spark_table("bronze.flights")],
            outputs=[spark_table(f"silver.t{number}", columns={"a": ["bronze.flights.a"]}, schema=["a"])],
        )
        for number in range(first, first + count)
    ]  # fmt: skip


def test_the_statements_of_a_step_are_as_many_for_many_runs_as_for_few(
    derived: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a step takes on a busy machine is what it waits for PostgreSQL's answers."""
    execute, asked = AsyncConnection.execute, 0

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        return await execute(*arguments, **options)

    def asked_for(count: int, first: int) -> int:
        nonlocal asked
        derived.tell(many(count, first=first))
        derived.execute("TRUNCATE writing, shape, edge CASCADE")
        derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run WHERE run_id = ANY(%s::uuid[])",
                        [run_id(f"many{number}") for number in range(first, first + count)])  # fmt: skip
        monkeypatch.setattr(AsyncConnection, "execute", counted)
        asked = 0
        assert step(derived) == count
        monkeypatch.setattr(AsyncConnection, "execute", execute)
        return asked

    few, more = asked_for(2, 0), asked_for(24, 2)
    assert more <= few + 2
    assert len(derived.rows("SELECT 1 FROM writing")) == 24


def test_one_odd_run_among_many_is_undone_alone(
    derived: Derived, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lakehold.lineage.graph import writings

    plain = writings.shape_of

    def odd(pair: Any, rows: Any, at: Any) -> Any:
        shape = plain(pair, rows, at)
        return dataclasses.replace(shape, edges="[" if at == START + timedelta(minutes=3) else shape.edges)

    monkeypatch.setattr(writings, "shape_of", odd)
    derived.tell(many(6))
    assert [line for line in derived.edges() if "silver.t3" in line] == []
    assert len(derived.rows("SELECT 1 FROM writing")) == 5
    problems = derived.rows("SELECT run_id::text, problem FROM run WHERE problem IS NOT NULL")
    assert [row["run_id"] for row in problems] == [run_id("many3")]
    assert caplog.text.count("cannot be derived") == 1
    monkeypatch.undo()
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    derived.drain()
    assert len(derived.rows("SELECT 1 FROM writing")) == 6
    assert derived.rows("SELECT 1 FROM run WHERE problem IS NOT NULL") == []


def test_what_changed_in_many_runs_is_put_together_once(derived: Derived, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehold.lineage.graph import edges

    derived.tell([copy(str(number), number) for number in range(9)])
    expected = derived.edges()
    derived.execute("UPDATE writing SET ends = NOT ends")
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    update, made = edges.update, []

    async def counted(connection: Any, wanted: Any) -> None:
        made.extend(wanted.values())
        await update(connection, wanted)

    monkeypatch.setattr(edges, "update", counted)
    while step(derived, 1):
        pass
    assert made == [None]
    assert derived.edges() == expected
    assert derived.rows("SELECT 1 FROM due_pair") == []


def test_what_changed_does_not_wait_for_the_end_of_a_long_queue(derived: Derived) -> None:
    derived.tell([copy(str(number), number) for number in range(3)])
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    derived.execute("INSERT INTO due_pair SELECT DISTINCT process_id, target_node FROM writing")
    step(derived, 1)
    assert len(derived.rows("SELECT 1 FROM due_pair")) == 1
    derived.execute("UPDATE due_pair SET since = since - interval '1 hour'")
    step(derived, 1)
    assert derived.rows("SELECT 1 FROM due_pair") == []
    assert len(queue(derived)) == 1


def test_nobody_waits_for_statements_to_be_read(derived: Derived, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is read, the stage before works in events of the same run, and others queue it again."""
    from lakehold.lineage.graph import schemas

    named_in, waited = schemas.named_in, []

    async def slow(*arguments: Any) -> Any:
        with psycopg.connect(derived.database) as other:
            other.execute("SET lock_timeout = '10s'")
            other.execute("UPDATE run SET last_seen = last_seen")
            other.execute("INSERT INTO due SELECT run_id, first_seen FROM run ON CONFLICT (run_id)"
                          " DO UPDATE SET mark = excluded.mark")  # fmt: skip
        waited.append(True)
        return await named_in(*arguments)

    insert = "INSERT INTO gold.delays SELECT origin FROM silver.flights"
    events = query(insert, "q", 0, reads=["silver.flights"], writes="gold.delays", user="engineer")
    derived.tell(events)
    run = run_id("q")
    derived.execute("UPDATE run SET process_id = NULL, process_run = NULL, problem = 'old'")
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    monkeypatch.setattr(schemas, "named_in", slow)
    assert step(derived) == 1
    assert waited == [True]
    assert queue(derived) == [run]
    monkeypatch.setattr(schemas, "named_in", named_in)
    derived.drain()
    assert queue(derived) == []
    (row,) = derived.rows("SELECT process_run::text, problem FROM run")
    assert row == {"process_run": run, "problem": None}


def test_what_a_run_says_no_longer_is_taken_back(derived: Derived) -> None:
    insert = "INSERT INTO gold.delays SELECT origin FROM silver.flights"
    told = query(insert, "q", 0, reads=["silver.flights"], writes="gold.delays", user="engineer")
    derived.tell(told)
    assert len(derived.rows("SELECT 1 FROM statement")) == 1
    derived.tell([{**told[-1], "eventType": "FAIL", "eventTime": (START + timedelta(minutes=5)).isoformat()}])
    for table in ("statement", "writing"):
        assert derived.rows(f"SELECT 1 FROM {table}") == []
    assert derived.edges() == []


def test_results_follow_the_table_they_are_of(derived: Derived) -> None:
    unnamed = {
        "namespace": "s3://lakehouse",
        "name": "bronze/flights-1f",
        "inputFacets": {"dataQualityAssertions": {"assertions": [{"assertion": "not_null", "success": True}]}},
    }
    derived.tell([event("COMPLETE", "gate", "gate", 1, inputs=[unnamed])])
    derived.tell([event("START", "look", "look", 5, inputs=[spark_table("bronze.flights")])])
    rows = derived.rows("SELECT n.name FROM assertion_result JOIN node n USING (node_id)")
    assert [row["name"] for row in rows] == ["bronze.flights"]


def test_a_stream_has_fed_its_table_since_it_began(derived: Derived) -> None:
    sides = {"inputs": [spark_table("bronze.flights")], "outputs": [spark_table("silver.flights")]}
    for kind, minute in (("START", 0), ("RUNNING", 100), ("RUNNING", 200), ("RUNNING", 300), ("FAIL", 400)):
        derived.tell([event(kind, "stream", "stream", minute, facets=FACETS, **sides)])
        assert len(derived.edges(START + timedelta(minutes=50))) == 1, (kind, minute)
        assert len(derived.rows("SELECT 1 FROM edge")) == 1


def test_that_a_snapshot_may_be_of_its_application_does_not_say_that_a_run_wrote(derived: Derived) -> None:
    derived.tell([copy("failed", 0, end="FAIL"), event("COMPLETE", "named", "named", 0)])
    node = derived.rows("SELECT node_id FROM node WHERE name = 'silver.flights'")[0]["node_id"]
    derived.execute(
        "INSERT INTO snapshot (node_id, snapshot_id, committed_at, run_id) VALUES (%s, 1, now(), %s)",
        node, run_id("failed"),
    )  # fmt: skip
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    derived.drain()
    assert derived.edges() == []
    derived.execute("UPDATE snapshot SET matched_by = 'query'")
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    derived.drain()
    assert derived.edges() == ["bronze.flights -> silver.flights by copy"]


def test_of_a_long_run_the_first_and_last_events_are_read(derived: Derived) -> None:
    from lakehold.lineage.graph import runs

    sides = {"inputs": [spark_table("bronze.flights")]}
    middle = [event("RUNNING", "long", "copy", minute, inputs=[spark_table("bronze.odd")]) for minute in range(30, 60)]
    told = [event("RUNNING", "long", "copy", minute, **sides) for minute in [*range(30), *range(60, 90)]]
    derived.tell([*told, *middle, event("COMPLETE", "long", "copy", 99, outputs=[spark_table("silver.flights")])])
    assert derived.edges() == ["bronze.flights -> silver.flights by copy"]
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    (size,) = derived.rows(
        "SELECT sum(octet_length(body)) AS bytes FROM (SELECT body, row_number() OVER (ORDER BY event_time) AS n,"
        ' count(*) OVER () AS all FROM event) AS e WHERE n <= 20 OR n > "all" - 20'
    )
    (one,) = with_connection(derived, lambda connection: runs.waiting(connection, 5)).values()
    assert one.size == size["bytes"]


def test_a_date_in_a_statement_makes_no_other_shape(derived: Derived) -> None:
    def made(run: str, minute: float, day: int) -> list[Event]:
        sql = f"CREATE TABLE gold.delays AS SELECT concat(origin, '2013-01-0{day}') AS o FROM silver.flights"
        return query(sql, run, minute, reads=["silver.flights"], writes="gold.delays", user="engineer")

    derived.tell([*made("q1", 10, 1), *made("q3", 30, 3)])
    derived.tell(made("q2", 20, 2))
    assert len(derived.rows("SELECT 1 FROM shape")) == 1
    (edge,) = derived.rows("SELECT expression FROM edge WHERE how = 'TRANSFORMATION'")
    assert "2013-01-03" in edge["expression"]


def test_the_tables_a_statement_names_are_found_by_an_index(migrated: str) -> None:
    from lakehold.lineage.graph import schemas

    asked = {"catalog": "lakehouse", "words": ["flights"], "at": START}
    with psycopg.connect(migrated) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN {schemas._COLUMNS}".encode(), asked).fetchall()
    assert "node_word" in str(plan)
