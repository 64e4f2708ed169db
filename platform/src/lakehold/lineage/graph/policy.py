"""How long what is kept is kept, and when a run that never said how it ended is given up."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.errors import ConfigError
from lakehold.lineage.graph import retention
from lakehold.lineage.graph.changes import tell

EVENTS_DAYS = "LAKEHOLD_LINEAGE_EVENTS_DAYS"
HISTORY_DAYS = "LAKEHOLD_LINEAGE_HISTORY_DAYS"
CLOSE_HOURS = "LAKEHOLD_LINEAGE_CLOSE_HOURS"

_CLOSE_EVERY_SECONDS = 60.0
_KEEP_EVERY_SECONDS = 3600.0

# A Parquet read of Spark starts and is never heard of again; what it was part of ends, though.
_CLOSE: LiteralString = """
UPDATE run SET closed_at = now() WHERE run_id IN (
    SELECT r.run_id FROM run r LEFT JOIN run p ON p.run_id = r.parent_run_id
    WHERE r.ended_as IS NULL AND r.closed_at IS NULL AND (
        r.last_seen < now() - make_interval(hours => %(hours)s)
        OR (p.ended_as IS NOT NULL AND p.last_seen < now() - interval '15 minutes'
            AND r.last_seen < now() - interval '15 minutes'))
    ORDER BY r.run_id LIMIT %(most)s)
RETURNING run_id
"""
_MOST_CLOSED = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What is kept for how long."""

    events_days: int = 90
    """Events as they were sent, what was malformed, and what sinks have been told."""
    history_days: int = 730
    """Runs, and edges since they ended. What is valid is kept for as long as it is."""
    close_hours: int = 24
    """After so long without an event, a run that never ended counts as closed."""


def load(environment: Mapping[str, str] = os.environ) -> Policy:
    """Read the environment; :class:`ConfigError` names the variable that is wrong."""
    policy = Policy()
    return Policy(
        events_days=_number(environment, EVENTS_DAYS, policy.events_days),
        history_days=_number(environment, HISTORY_DAYS, policy.history_days),
        close_hours=_number(environment, CLOSE_HOURS, policy.close_hours),
    )


class Keeper:
    """Applies the policy now and then."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._close_at = self._keep_at = 0.0

    async def apply(self, connection: AsyncConnection[TupleRow]) -> None:
        """Do what is due by the clock."""
        now = time.monotonic()
        if now >= self._close_at:
            self._close_at = now + _CLOSE_EVERY_SECONDS
            while await close(connection, self._policy) == _MOST_CLOSED:
                pass
        if now >= self._keep_at:
            self._keep_at = now + _KEEP_EVERY_SECONDS
            await retention.apply(
                connection, events_days=self._policy.events_days, history_days=self._policy.history_days
            )


async def close(connection: AsyncConnection[TupleRow], policy: Policy) -> int:
    """Close runs that are silent, or left behind by what started them; return how many."""
    async with connection.transaction():
        cursor = await connection.execute(_CLOSE, {"hours": policy.close_hours, "most": _MOST_CLOSED})
        closed = [row[0] for row in await cursor.fetchall()]
        await tell(connection, "run", closed)
    return len(closed)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name)
    if not value:
        return default
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= 36500):
        raise ConfigError(f"{name} is no number of days or hours: {value!r}.", remedy=f"set {name} to 1 or more")
    return int(value)
