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

_SHAPES = """
WITH told AS MATERIALIZED (
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::text[], %s::text[], %s::timestamptz[])
        AS t (process_id, target_node, digest, edges, expressions, told_at)),
made AS (
    INSERT INTO shape (process_id, target_node, digest, edges, expressions, told_at)
    SELECT process_id, target_node, digest, edges::jsonb, expressions::jsonb, told_at FROM told ORDER BY 1, 2, 3
    ON CONFLICT (process_id, target_node, digest) DO UPDATE
        SET expressions = excluded.expressions, told_at = excluded.told_at
        WHERE excluded.told_at > shape.told_at
            OR (excluded.told_at = shape.told_at AND excluded.expressions <> shape.expressions)
    RETURNING process_id, target_node, digest, shape_id)
SELECT process_id, target_node, digest, shape_id FROM made UNION
SELECT process_id, target_node, digest, shape_id FROM told JOIN shape USING (process_id, target_node, digest)
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
SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::uuid[], %s::bigint[], %s::bool[], %s::timestamptz[])
    AS w ORDER BY 1, 2
ON CONFLICT (run_id, target_node) DO UPDATE SET process_id = excluded.process_id, process_run = excluded.process_run,
    shape_id = excluded.shape_id, ends = excluded.ends, at = excluded.at, settled = false
"""
_TAKE_BACK = """
DELETE FROM writing w USING unnest(%s::uuid[], %s::bigint[]) AS g (run_id, target_node)
WHERE (w.run_id, w.target_node) = (g.run_id, g.target_node)
"""
_SETTLED = """
UPDATE writing w SET settled = (coalesce(r.ended_as, '') = 'COMPLETE')
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS p (process_id, target_node, since), run r
WHERE r.run_id = w.process_run AND w.process_id = p.process_id AND w.target_node = p.target_node
    AND w.at >= coalesce(p.since, '-infinity') AND w.settled <> (coalesce(r.ended_as, '') = 'COMPLETE')
"""
_BEGAN = """
SELECT a.process_id, a.target_node, min(w.at), bool_or(w.settled)
FROM unnest(%s::bigint[], %s::bigint[], %s::uuid[]) AS a (process_id, target_node, run)
JOIN writing w ON w.process_id = a.process_id AND w.target_node = a.target_node AND w.process_run = a.run
GROUP BY 1, 2
"""
_LATER_ONES = """
SELECT p.process_id, p.target_node
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS p (process_id, target_node, since)
WHERE EXISTS (
    SELECT 1 FROM writing w
    WHERE w.process_id = p.process_id AND w.target_node = p.target_node AND w.at >= p.since AND NOT EXISTS (
        SELECT 1 FROM unnest(%s::bigint[], %s::bigint[], %s::uuid[]) AS a (process_id, target_node, run)
        WHERE a.process_id = w.process_id AND a.target_node = w.target_node AND a.run = w.process_run))
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


@dataclass(frozen=True, slots=True)
class Shape:
    """A set of edges of a process into a table, as a writing at a time has it."""

    pair: Pair
    digest: bytes
    edges: str
    expressions: str
    at: datetime

    @property
    def key(self) -> tuple[int, int, bytes]:
        """What makes it the same shape: not its expressions, in which there may be a date."""
        return self.pair.process, self.pair.target, self.digest


def shape_of(pair: Pair, rows: Iterable[EdgeRow], at: datetime) -> Shape:
    """Return the shape that edges make."""
    edges_of = {row[:-1]: row[-1] for row in sorted(rows)}
    text = json.dumps(list(edges_of))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return Shape(pair=pair, digest=digest, edges=text, expressions=json.dumps(list(edges_of.values())), at=at)


async def ensure_shapes(connection: Connection, shapes: Iterable[Shape]) -> dict[tuple[int, int, bytes], int]:
    """Return the id of each shape by its key; its expressions are those of the latest writing."""
    latest: dict[tuple[int, int, bytes], Shape] = {}
    for one in shapes:
        known = latest.get(one.key)
        if known is None or one.at >= known.at:
            latest[one.key] = one
    if not latest:
        return {}
    rows = [(*key, one.edges, one.expressions, one.at) for key, one in latest.items()]
    cursor = await connection.execute(_SHAPES, [list(column) for column in zip(*rows, strict=True)])
    return {(row[0], row[1], bytes(row[2])): int(row[3]) for row in await cursor.fetchall()}


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
    connection: Connection,
    known: Mapping[UUID, Mapping[int, Put]],
    wanted: Mapping[UUID, Mapping[int, Put]],
    touched: Touched,
) -> None:
    """Bring what runs wrote up to date, by run and table, and note what that changes."""
    gone: list[tuple[UUID, int]] = []
    put: list[Put] = []
    for run, of_run in wanted.items():
        before = known.get(run, {})
        for target in before.keys() - of_run.keys():
            gone.append((run, target))
            touched.whole.add(before[target].pair)
        for target, one in of_run.items():
            if (was := before.get(target)) == one:
                continue
            put.append(one)
            if was is None:
                touched.add(one.pair, one.process_run)
            else:
                touched.whole |= {was.pair, one.pair}
    if gone:
        await connection.execute(_TAKE_BACK, [list(column) for column in zip(*gone, strict=True)])
    if put:
        rows = [
            (one.run, one.pair.target, one.pair.process, one.process_run, one.shape, one.ends, one.at) for one in put
        ]
        await connection.execute(_PUT, [list(column) for column in zip(*rows, strict=True)])


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
    pairs = sorted(touched.added.keys() - anew - waiting, key=_order)
    since = await _since(connection, {pair: touched.added[pair] for pair in pairs})
    anew |= set(pairs) - since.keys()
    if since:
        await _update(connection, {pair: since[pair] for pair in pairs if pair in since})
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
    await _update(connection, {pair: None})


async def put_off(connection: Connection, pair: Pair) -> None:
    """Have the edges of a pair made anew later than others."""
    await connection.execute(_LATER, (pair.process, pair.target))


async def _update(connection: Connection, wanted: Mapping[Pair, datetime | None]) -> None:
    await edges.update(connection, wanted)
    await connection.execute(_SETTLED, [*_columns(wanted), list(wanted.values())])


async def _are_due(connection: Connection, pairs: Collection[Pair]) -> set[Pair]:
    cursor = await connection.execute(_ARE_DUE, _columns(pairs))
    return {Pair(*row) for row in await cursor.fetchall()}


def _order(pair: Pair) -> tuple[int, int]:
    return pair.process, pair.target


def _columns(pairs: Collection[Pair]) -> tuple[list[int], list[int]]:
    return [pair.process for pair in pairs], [pair.target for pair in pairs]


async def _since(connection: Connection, added: Mapping[Pair, Collection[UUID]]) -> dict[Pair, datetime]:
    """Return when these runs of each process began to write, where nothing else was written since, and they are new."""
    if not added:
        return {}
    runs = [(pair.process, pair.target, run) for pair, of_pair in added.items() for run in of_pair]
    mine = [list(column) for column in zip(*runs, strict=True)]
    cursor = await connection.execute(_BEGAN, mine)
    began = {Pair(*row[:2]): row[2] for row in await cursor.fetchall() if not row[3]}
    cursor = await connection.execute(_LATER_ONES, [*_columns(began), list(began.values()), *mine])
    later = {Pair(*row) for row in await cursor.fetchall()}
    return {pair: at for pair, at in began.items() if pair not in later}
