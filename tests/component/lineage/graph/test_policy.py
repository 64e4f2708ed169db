"""Runs that never end, and what is removed in time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from told_events import START, Derived, event, query, spark_table, task

pytestmark = pytest.mark.component

DAY = 24 * 60


@pytest.fixture
def now() -> float:
    """Minutes from the events' beginning of time to now, which is when the test begins."""
    return (datetime.now(UTC) - START) / timedelta(minutes=1)


def apply(derived: Derived, *, events_days: int = 90, history_days: int = 730) -> None:
    async def both() -> None:
        from lakehold.lineage.database import connect
        from lakehold.lineage.graph import policy, retention

        async with await connect(derived.database, "test") as connection:
            await policy.close(connection, policy.Policy())
            await retention.apply(connection, events_days=events_days, history_days=history_days)

    asyncio.run(both())


def states(derived: Derived) -> dict[str, str]:
    rows = derived.rows("SELECT j.name, r.state FROM run r JOIN job j USING (job_id)")
    return {row["name"]: row["state"] for row in rows}


def count(derived: Derived, table: str) -> int:
    return int(derived.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def copy(run: str, minute: float, source: str = "bronze.flights") -> list[dict[str, object]]:
    sides = {"inputs": [spark_table(source)], "outputs": [spark_table("silver.flights")]}
    return [event("COMPLETE", run, "copy", minute, **sides)]


def test_a_run_that_is_silent_for_long_is_closed_until_it_is_heard_again(derived: Derived, now: float) -> None:
    derived.tell([event("START", "old", "old", 0), event("START", "young", "young", now)])
    apply(derived)
    assert states(derived) == {"old": "CLOSED", "young": "RUNNING"}
    derived.tell([event("RUNNING", "old", "old", now)])
    assert states(derived) == {"old": "RUNNING", "young": "RUNNING"}
    derived.tell([event("COMPLETE", "old", "old", now)])
    assert states(derived) == {"old": "COMPLETE", "young": "RUNNING"}


def test_what_was_left_behind_by_what_started_it_is_closed_early(derived: Derived, now: float) -> None:
    parent = ("task", "flights_daily.load")
    derived.tell(
        [
            *task("load", "task", now - 60),
            event("START", "read", "app.read_parquet", now - 55, parent=parent),
            event("START", "still", "app.still", now - 1, parent=parent),
        ]
    )
    apply(derived)
    assert states(derived) == {"flights_daily.load": "COMPLETE", "app.read_parquet": "CLOSED", "app.still": "RUNNING"}


def test_events_go_first_and_the_graph_stays(derived: Derived) -> None:
    derived.tell([*copy("1", 0), *copy("2", 10)])
    edges = derived.edges()
    derived.execute("UPDATE event SET received_at = received_at - interval '100 days'")
    apply(derived)
    assert count(derived, "event") == 0
    assert derived.edges() == edges
    derived.execute("INSERT INTO due SELECT run_id, first_seen FROM run")
    derived.drain()
    assert derived.edges() == edges
    # A late event of a run whose others are gone changes nothing either.
    derived.tell([event("COMPLETE", "1", "copy", 1, inputs=[spark_table("bronze.planes")])])
    assert derived.edges() == edges


def test_what_a_stage_has_not_seen_is_kept_and_so_is_an_open_run(derived: Derived, now: float) -> None:
    derived.tell([*copy("1", 0), event("START", "open", "open", now)])
    derived.execute("UPDATE event SET received_at = received_at - interval '100 days'")
    derived.execute("INSERT INTO sink (name, reads, position) VALUES ('behind', 'event', 0)")
    apply(derived)
    assert count(derived, "event") == 2
    derived.execute("UPDATE event SET received_at = received_at - interval '100 days'")
    apply(derived)
    assert [row["event_type"] for row in derived.rows("SELECT event_type FROM event")] == ["START"]


def test_history_goes_and_what_is_valid_stays(derived: Derived, now: float) -> None:
    old = now - 800 * DAY
    derived.tell(
        [
            *copy("1", old, "bronze.planes"),
            *copy("2", old + 1),
            *query("INSERT INTO gold.x SELECT 1", "q1", old, reads=[], writes="gold.x", user="a"),
            *query("INSERT INTO gold.x SELECT 1", "q2", old + 5, reads=[], writes="gold.x", user="a"),
        ]
    )
    derived.execute("UPDATE event SET received_at = received_at - interval '100 days'")
    apply(derived)
    apply(derived)
    assert derived.edges() == ["bronze.flights -> silver.flights by copy"]
    assert count(derived, "edge") == 1
    assert count(derived, "writing") == 0
    runs = derived.rows("SELECT j.name FROM run r JOIN job j USING (job_id) ORDER BY 1")
    assert [row["name"] for row in runs] == ["2013_q2", "copy"]
    # What comes later goes on from what is left: the edge that is seen again is the same, what is not has ended.
    derived.tell(copy("3", now - 5))
    (edge,) = derived.rows("SELECT first_seen, last_seen FROM edge")
    assert edge["last_seen"] - edge["first_seen"] > timedelta(days=799)
    derived.tell([*copy("5", now - 3, "bronze.planes"), *copy("4", now - 4)])
    assert derived.edges() == ["bronze.planes -> silver.flights by copy"]
    assert derived.edges(START + timedelta(minutes=now - 4)) == ["bronze.flights -> silver.flights by copy"]


def test_a_place_taken_for_a_file_goes_when_its_table_is_known(derived: Derived) -> None:
    unnamed = {"namespace": "s3://lakehouse", "name": "bronze/flights-1f"}
    derived.tell([event("COMPLETE", "1", "copy", 0, inputs=[unnamed], outputs=[spark_table("silver.flights")])])
    derived.tell([event("START", "look", "look", 5, inputs=[spark_table("bronze.flights")])])
    assert count(derived, "node") == 3
    apply(derived)
    assert count(derived, "node") == 2
    assert derived.edges() == ["bronze.flights -> silver.flights by copy"]


def test_what_every_sink_was_told_is_removed(derived: Derived) -> None:
    derived.tell(copy("1", 0))
    derived.execute("UPDATE change SET at = at - interval '2 days'")
    derived.execute("INSERT INTO sink (name, reads, position) SELECT 'half', 'change', min(change_id) FROM change")
    told = count(derived, "change")
    apply(derived)
    assert count(derived, "change") == told - 1
    derived.execute("TRUNCATE sink CASCADE")
    apply(derived)
    assert count(derived, "change") == 0


def test_what_was_told_again_is_noted_for_as_long_as_its_run_is_known(derived: Derived) -> None:
    derived.tell(copy("1", 0))
    derived.execute("INSERT INTO rederived SELECT run_id, 'trino', now() - interval '800 days' FROM run")
    derived.execute("INSERT INTO rederived VALUES (gen_random_uuid(), 'gone', now() - interval '800 days')")
    derived.execute("INSERT INTO rederived VALUES (gen_random_uuid(), 'new', now())")
    apply(derived)
    assert [row["source"] for row in derived.rows("SELECT source FROM rederived ORDER BY 1")] == ["new", "trino"]
