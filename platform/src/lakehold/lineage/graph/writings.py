"""The tables ``writing`` and ``shape``: which run wrote which table from what; edges are made from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph import edges
from lakehold.lineage.graph.edges import Pair

Connection = AsyncConnection[TupleRow]

_SHAPE = """
WITH made AS (
    INSERT INTO shape (process_id, target_node, digest, edges, expressions, told_at)
    VALUES (%(process)s, %(target)s, %(digest)s, %(edges)s, %(expressions)s, %(at)s)
    ON CONFLICT (process_id, target_node, digest) DO UPDATE
        SET expressions = excluded.expressions, told_at = excluded.told_at
        WHERE excluded.told_at > shape.told_at
            OR (excluded.told_at = shape.told_at AND excluded.expressions <> shape.expressions)
    RETURNING shape_id)
SELECT shape_id FROM made UNION ALL
SELECT shape_id FROM shape WHERE process_id = %(process)s AND target_node = %(target)s AND digest = %(digest)s
LIMIT 1
"""
_DUE = """
INSERT INTO due_pair (process_id, target_node)
SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS p ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""
_ARE_DUE = """
SELECT process_id, target_node FROM due_pair
JOIN unnest(%s::bigint[], %s::bigint[]) AS p (process_id, target_node) USING (process_id, target_node)
"""
_OLDEST_DUE = """
SELECT process_id, target_node FROM due_pair
WHERE since <= now() - make_interval(secs => %s) ORDER BY since, process_id, target_node LIMIT 1
"""
_TAKE_DUE = "DELETE FROM due_pair WHERE process_id = %s AND target_node = %s"
_LATER = """
UPDATE due_pair SET since = now() + interval '10 minutes' WHERE process_id = %s AND target_node = %s
"""
_PUT = """
INSERT INTO writing (run_id, target_node, process_id, process_run, shape_id, ends, at)
VALUES (%(run)s, %(target)s, %(process)s, %(process_run)s, %(shape)s, %(ends)s, %(at)s)
ON CONFLICT (run_id, target_node) DO UPDATE SET process_id = excluded.process_id, process_run = excluded.process_run,
    shape_id = excluded.shape_id, ends = excluded.ends, at = excluded.at, settled = false
"""

_SETTLED = """
UPDATE writing w SET settled = (coalesce(r.ended_as, '') = 'COMPLETE') FROM run r
WHERE r.run_id = w.process_run AND w.process_id = %(process)s AND w.target_node = %(target)s
    AND w.at >= coalesce(%(since)s::timestamptz, '-infinity') AND w.settled <> (coalesce(r.ended_as, '') = 'COMPLETE')
"""

EdgeRow = tuple[int, int, int, str, str, str]
"""Source node, source field, target field, how, believed, expression."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """That a run wrote a table, by the ids of the database."""

    run: UUID
    pair: Pair
    process_run: UUID
    shape: int
    ends: bool
    at: datetime


@dataclass
class Touched:
    """Pairs of process and table whose writings changed."""

    whole: set[Pair] = field(default_factory=set)
    """What was there before is different now."""
    added: dict[Pair, set[UUID]] = field(default_factory=dict)
    """Only these runs of the process have something new."""

    def add(self, pair: Pair, process_run: UUID) -> None:
        """Say that a run of the process has one writing more, or ended."""
        self.added.setdefault(pair, set()).add(process_run)


async def shape_of(connection: Connection, pair: Pair, rows: Iterable[EdgeRow], at: datetime) -> int:
    """Return the id of a set of edges, as a writing at that time has it."""
    edges_of = {row[:-1]: row[-1] for row in sorted(rows)}
    text = json.dumps(list(edges_of))
    parameters = {
        "process": pair.process,
        "target": pair.target,
        "digest": hashlib.blake2b(text.encode(), digest_size=16).digest(),
        "edges": text,
        "expressions": json.dumps(list(edges_of.values())),
        "at": at,
    }
    cursor = await connection.execute(_SHAPE, parameters)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - it was made or is there
    return int(row[0])


async def existing(connection: Connection, runs: Collection[UUID]) -> dict[UUID, dict[int, Put]]:
    """Return what is known of what these runs wrote, by run and table."""
    cursor = await connection.execute(
        "SELECT run_id, process_id, target_node, process_run, shape_id, ends, at FROM writing WHERE run_id = ANY(%s)",
        (list(runs),),
    )
    found: dict[UUID, dict[int, Put]] = {}
    for run, process, target, process_run, shape, ends, at in await cursor.fetchall():
        put = Put(run=run, pair=Pair(process, target), process_run=process_run, shape=shape, ends=ends, at=at)
        found.setdefault(run, {})[target] = put
    return found


async def store(
    connection: Connection, run: UUID, known: Mapping[int, Put], wanted: Mapping[int, Put], touched: Touched
) -> None:
    """Bring what a run wrote up to date, and note what that changes."""
    for target in known.keys() - wanted.keys():
        await connection.execute("DELETE FROM writing WHERE run_id = %s AND target_node = %s", (run, target))
        touched.whole.add(known[target].pair)
    for target, put in wanted.items():
        if (before := known.get(target)) == put:
            continue
        values = {
            "run": run, "target": target, "process": put.pair.process, "process_run": put.process_run,
            "shape": put.shape, "ends": put.ends, "at": put.at,
        }  # fmt: skip
        await connection.execute(_PUT, values)
        if before is None:
            touched.add(put.pair, put.process_run)
        else:
            touched.whole |= {before.pair, put.pair}


async def note_ends(connection: Connection, ended: Mapping[UUID, bool], touched: Touched) -> None:
    """Note which tables are concerned by how runs of processes ended (well or not)."""
    cursor = await connection.execute(
        "SELECT DISTINCT process_id, target_node, process_run, settled FROM writing WHERE process_run = ANY(%s)",
        (list(ended),),
    )
    for process, target, process_run, settled in await cursor.fetchall():
        if ended[process_run] and not settled:
            touched.add(Pair(process, target), process_run)
        elif settled and not ended[process_run]:
            touched.whole.add(Pair(process, target))


async def settle(connection: Connection, touched: Touched) -> None:
    """Bring the edges of touched pairs up to date, where there is only more; else they are due to be made anew."""
    anew = set(touched.whole)
    waiting = await _are_due(connection, touched.added.keys() - anew)
    for pair in sorted(touched.added.keys() - anew - waiting, key=_order):
        since = await _since(connection, pair, touched.added[pair])
        if since is None:
            anew.add(pair)
        else:
            await _update(connection, pair, since)
    if anew:
        await connection.execute(_DUE, _columns(sorted(anew, key=_order)))


async def oldest_due(connection: Connection, seconds: float) -> Pair | None:
    """Return a pair whose edges have been due to be made anew for so long, and are not put off."""
    cursor = await connection.execute(_OLDEST_DUE, (seconds,))
    row = await cursor.fetchone()
    return Pair(*row) if row else None


async def make_anew(connection: Connection, pair: Pair) -> None:
    """Make all edges of a pair that was due."""
    await connection.execute(_TAKE_DUE, (pair.process, pair.target))
    await _update(connection, pair, None)


async def put_off(connection: Connection, pair: Pair) -> None:
    """Have the edges of a pair made anew later than others."""
    await connection.execute(_LATER, (pair.process, pair.target))


async def _update(connection: Connection, pair: Pair, since: datetime | None) -> None:
    await edges.update(connection, pair, since)
    await connection.execute(_SETTLED, {"process": pair.process, "target": pair.target, "since": since})


async def _are_due(connection: Connection, pairs: Collection[Pair]) -> set[Pair]:
    cursor = await connection.execute(_ARE_DUE, _columns(pairs))
    return {Pair(*row) for row in await cursor.fetchall()}


def _order(pair: Pair) -> tuple[int, int]:
    return pair.process, pair.target


def _columns(pairs: Collection[Pair]) -> tuple[list[int], list[int]]:
    return [pair.process for pair in pairs], [pair.target for pair in pairs]


async def _since(connection: Connection, pair: Pair, runs: Collection[UUID]) -> datetime | None:
    """Return when these runs of the process began to write, if nothing else was written since, and they are new."""
    values = {"process": pair.process, "target": pair.target, "runs": list(runs)}
    cursor = await connection.execute(
        "SELECT min(at), bool_or(settled) FROM writing"
        " WHERE process_id = %(process)s AND target_node = %(target)s AND process_run = ANY(%(runs)s)",
        values,
    )
    since, settled = await cursor.fetchone() or (None, True)
    if since is None or settled:
        return None
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT 1 FROM writing WHERE process_id = %(process)s AND target_node = %(target)s"
        " AND at >= %(since)s AND process_run <> ALL(%(runs)s))",
        {**values, "since": since},
    )
    later = await cursor.fetchone()
    return None if later is None or later[0] else since
