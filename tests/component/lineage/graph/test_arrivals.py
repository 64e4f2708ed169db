"""When the graph stands back: many events arrive, and none has waited for it too long."""

import asyncio

import pytest
from told_events import Derived

pytestmark = pytest.mark.component

RECEIVE = """
INSERT INTO event (digest, received_at, kind, event_time, job_namespace, job_name, producer, inputs, outputs, body)
SELECT decode(md5(random()::text), 'hex'), clock_timestamp() - make_interval(secs => %s), 'job', now(), 'n', 'j', 'p',
       '[]', '[]', '{}'
FROM generate_series(1, %s)
"""
TAKE = "UPDATE stage SET position = (SELECT max(event_id) FROM event) WHERE name = 'graph2'"


def verdicts(derived: Derived, *rounds: tuple[float, int, float]) -> list[bool]:
    """Return what is said after each round: seconds since the last, events that came, and how old they are."""

    async def asked() -> list[bool]:
        from lakehold.lineage.database import connect
        from lakehold.lineage.graph.arrivals import Arrivals

        clock = [0.0]
        arrivals = Arrivals(lambda: clock[0])
        async with await connect(derived.database, "test") as connection:
            await connection.execute(RECEIVE, (rounds[0][2], 1))
            found = [await arrivals.come_first(connection)]
            for seconds, events, age in rounds:
                clock[0] += seconds
                await connection.execute(RECEIVE, (age, events))
                found.append(await arrivals.come_first(connection))
        return found[1:]

    return asyncio.run(asked())


def test_many_events_come_first_until_they_are_few(derived: Derived) -> None:
    assert verdicts(derived, (1, 499, 0), (1, 500, 0), (2, 999, 0), (2, 1000, 0), (1, 0, 0)) == [
        False, True, False, True, False
    ]  # fmt: skip


def test_what_comes_at_once_is_not_many(derived: Derived) -> None:
    assert verdicts(derived, (0.1, 400, 0), (0.9, 0, 0)) == [False, False]


def test_an_event_that_comes_when_all_are_gone_is_one(derived: Derived) -> None:
    verdicts(derived, (1, 1000, 0))
    derived.execute("DELETE FROM event")

    async def asked() -> bool:
        from lakehold.lineage.database import connect
        from lakehold.lineage.graph.arrivals import Arrivals

        clock = iter(range(10))
        arrivals = Arrivals(lambda: float(next(clock)))
        async with await connect(derived.database, "test") as connection:
            await arrivals.come_first(connection)
            await connection.execute(RECEIVE, (0, 1))
            return await arrivals.come_first(connection)

    assert not asyncio.run(asked())


def test_an_event_waits_for_five_minutes_at_most(derived: Derived) -> None:
    assert verdicts(derived, (1, 1000, 301)) == [False]
    derived.execute(TAKE)
    assert verdicts(derived, (1, 1000, 0)) == [True]
