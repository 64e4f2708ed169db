"""How fast events arrive: while they are many, to make them durable comes before the graph, which has time."""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph.take import STAGE

_MANY_A_SECOND = 500
"""Nine times what all engines send that two cores can run."""
_MOST_SECONDS = 300.0
"""An event that has waited for so long is not asked to wait any more."""
_SPAN_SECONDS = 0.5
"""Over less, one batch would look like many."""

_WAITED = """
SELECT extract(epoch FROM clock_timestamp() - received_at)::float8 FROM event
WHERE event_id > (SELECT position FROM stage WHERE name = %s) ORDER BY event_id LIMIT 1
"""


class Arrivals:
    """Watches the journal between the steps of the graph; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: tuple[float, int] | None = None
        self._many = False

    async def come_first(self, connection: AsyncConnection[TupleRow]) -> bool:
        """Say whether the graph should stand back: many events arrive, and none has waited for it too long.

        PostgreSQL's work for the graph has no lower priority than that for the receiver, so a lower priority of the
        worker is not enough.
        """
        now = self._clock()
        if self._before is None or now - self._before[0] >= _SPAN_SECONDS:
            event = await newest(connection)
            self._many = event is not None and self._are_many(now, event)
            self._before = None if event is None else (now, event)
        return self._many and await _waited(connection) < _MOST_SECONDS

    def _are_many(self, now: float, event: int) -> bool:
        if self._before is None:
            return False
        since, known = self._before
        return event - known >= _MANY_A_SECOND * (now - since)


async def newest(connection: AsyncConnection[TupleRow]) -> int | None:
    """Return the id of the event that was received last."""
    cursor = await connection.execute("SELECT max(event_id) FROM event")
    row = await cursor.fetchone()
    return row[0] if row else None


async def _waited(connection: AsyncConnection[TupleRow]) -> float:
    """Return the seconds for which the oldest event waits that the graph has not taken in."""
    cursor = await connection.execute(_WAITED, (STAGE,))
    row = await cursor.fetchone()
    return float(row[0]) if row else 0.0
