"""The queue of runs to derive: for the first time, or again because what they depend on is known better now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

# Always another mark: what is being derived at this moment has to be derived once more.
_QUEUE: LiteralString = "ON CONFLICT (run_id) DO UPDATE SET mark = excluded.mark"

_RUNS: LiteralString = f"""
INSERT INTO due (run_id, at) SELECT run_id, first_seen FROM run WHERE NOT sealed AND run_id = ANY(%s)
ORDER BY run_id {_QUEUE}
"""  # noqa: S608 - constants only
_CHILDREN: LiteralString = f"""
INSERT INTO due (run_id, at) SELECT run_id, first_seen FROM run
WHERE NOT sealed AND parent_run_id = ANY(%s) AND run_id <> ALL(%s) ORDER BY run_id {_QUEUE}
"""  # noqa: S608 - constants only
_DATASETS: LiteralString = f"""
INSERT INTO due (run_id, at) SELECT DISTINCT run_id, first_seen FROM run_dataset JOIN run USING (run_id)
WHERE NOT sealed AND dataset_id = ANY(%s) ORDER BY run_id {_QUEUE}
"""  # noqa: S608 - constants only
_STATEMENTS: LiteralString = f"""
INSERT INTO due (run_id, at) SELECT DISTINCT run_id, r.first_seen FROM alias JOIN run_dataset USING (dataset_id)
JOIN statement s USING (run_id) JOIN run r USING (run_id)
WHERE node_id = ANY(%s) AND s.sql <> '' AND s.at >= %s AND NOT sealed ORDER BY run_id {_QUEUE}
"""  # noqa: S608 - constants only


async def mark_runs(connection: AsyncConnection[TupleRow], runs: Collection[UUID]) -> None:
    """Have these runs derived again."""
    if runs:
        await connection.execute(_RUNS, (list(runs),))


async def mark_children(
    connection: AsyncConnection[TupleRow], runs: Collection[UUID], but: Collection[UUID] = ()
) -> None:
    """Have the runs that these started derived again, but for those that were derived after them."""
    if runs:
        await connection.execute(_CHILDREN, (list(runs), list(but)))


async def mark_datasets(connection: AsyncConnection[TupleRow], datasets: Collection[UUID]) -> None:
    """Have the runs that read or wrote these datasets (``dataset.dataset_id``) derived again."""
    if datasets:
        await connection.execute(_DATASETS, (list(datasets),))


async def mark_statements(connection: AsyncConnection[TupleRow], nodes: Collection[int], since: datetime) -> None:
    """Have the statements since then that name these tables read again, because their columns are known better."""
    if nodes:
        await connection.execute(_STATEMENTS, (list(nodes), since))


async def mark_places(connection: AsyncConnection[TupleRow], places: Collection[str]) -> None:
    """Have the runs derived again whose datasets are at these places (``location.place``)."""
    if places:
        cursor = await connection.execute(
            "SELECT dataset_id FROM alias JOIN unnest(%s::text[]) AS p (place) ON place_id = name_key('', place)",
            (list(places),),
        )
        await mark_datasets(connection, [row[0] for row in await cursor.fetchall()])
