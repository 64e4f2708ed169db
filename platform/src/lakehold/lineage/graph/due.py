"""The queue of runs to derive: for the first time, or again because what they depend on is known better now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow


async def mark_runs(connection: AsyncConnection[TupleRow], runs: Collection[UUID]) -> None:
    """Have these runs derived again."""
    if runs:
        await connection.execute(
            "INSERT INTO due (run_id) SELECT run_id FROM run WHERE NOT sealed AND run_id = ANY(%s)"
            " ORDER BY run_id ON CONFLICT DO NOTHING",
            (list(runs),),
        )


async def mark_children(connection: AsyncConnection[TupleRow], runs: Collection[UUID]) -> None:
    """Have the runs that these started derived again."""
    if runs:
        await connection.execute(
            "INSERT INTO due (run_id) SELECT run_id FROM run WHERE NOT sealed AND parent_run_id = ANY(%s)"
            " ORDER BY run_id ON CONFLICT DO NOTHING",
            (list(runs),),
        )


async def mark_datasets(connection: AsyncConnection[TupleRow], datasets: Collection[UUID]) -> None:
    """Have the runs that read or wrote these datasets (``dataset.dataset_id``) derived again."""
    if datasets:
        await connection.execute(
            "INSERT INTO due (run_id) SELECT DISTINCT run_id FROM run_dataset JOIN run USING (run_id)"
            " WHERE NOT sealed AND dataset_id = ANY(%s) ORDER BY run_id ON CONFLICT DO NOTHING",
            (list(datasets),),
        )


async def mark_statements(connection: AsyncConnection[TupleRow], nodes: Collection[int], since: datetime) -> None:
    """Have the statements since then that name these tables read again, because their columns are known better."""
    if nodes:
        await connection.execute(
            "INSERT INTO due (run_id) SELECT DISTINCT run_id FROM alias JOIN run_dataset USING (dataset_id)"
            " JOIN statement s USING (run_id) JOIN run USING (run_id)"
            " WHERE node_id = ANY(%s) AND s.sql <> '' AND s.at >= %s AND NOT sealed ORDER BY 1 ON CONFLICT DO NOTHING",
            (list(nodes), since),
        )


async def mark_places(connection: AsyncConnection[TupleRow], places: Collection[str]) -> None:
    """Have the runs derived again whose datasets are at these places (``location.place``)."""
    if places:
        cursor = await connection.execute(
            "SELECT dataset_id FROM alias JOIN unnest(%s::text[]) AS p (place) ON place_id = name_key('', place)",
            (list(places),),
        )
        await mark_datasets(connection, [row[0] for row in await cursor.fetchall()])
