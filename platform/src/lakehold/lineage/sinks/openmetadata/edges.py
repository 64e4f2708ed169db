"""Lineage in OpenMetadata: one edge for each pair of tables, by their ids, with columns, SQL and pipeline."""

from __future__ import annotations

from lakehold.lineage.sinks.model import RefusedError
from lakehold.lineage.sinks.openmetadata import payloads, reading, runs
from lakehold.lineage.sinks.openmetadata.client import MissingError
from lakehold.lineage.sinks.openmetadata.entities import ensure_place
from lakehold.lineage.sinks.openmetadata.records import Pair
from lakehold.lineage.sinks.openmetadata.session import Place, Session

_UNKNOWN_COLUMN = "Invalid fully qualified column name"


async def publish_edge(session: Session, source: int, target: int) -> None:
    """Write the edge between two tables as it is now, or remove it when nothing of it is open any more."""
    ends = session.place(source), session.place(target)
    if source == target or ends[0] is None or ends[1] is None:
        return  # A table that is rewritten from itself is no lineage to look at; what has no place has no edge.
    pair = await reading.pair(session.connection, source, target)
    if not pair.open:
        await _remove(session, pair, ends[0], ends[1])
        return
    try:
        await _write(session, pair, ends[0], ends[1])
    except MissingError:
        # An id is not there: all is gone, or a table was removed for good and has to be made again.
        await session.still_there()
        await session.sents.forget(f"node:{source}", f"node:{target}")
        await runs.forget(session, pair.root_run)
        await _again(session, pair)
    except RefusedError as problem:
        if _UNKNOWN_COLUMN not in str(problem):
            raise
        # Somebody else has changed the table's columns: ours are put back, then the edge fits.
        await session.sents.forget(f"node:{source}", f"node:{target}")
        await _again(session, pair)


async def _again(session: Session, pair: Pair) -> None:
    places = []
    for node_id in (pair.source, pair.target):
        nodes = await reading.nodes(session.connection, [node_id])
        nodes = await reading.said(session.connection, nodes)
        place = await ensure_place(session, nodes[0]) if nodes else None
        session.places[node_id] = place
        places.append(place)
    if places[0] is not None and places[1] is not None:
        await _write(session, pair, places[0], places[1])


async def _write(session: Session, pair: Pair, source: Place, target: Place) -> None:
    mapping = []
    if source.type == target.type == "table":  # columns of anything else are a 400
        sides = [(end.fqn, {one.name for one in end.node.fields}) for end in (source, target)]
        mapping = payloads.mapping(pair.columns, sides[0], sides[1])
    payload = payloads.edge(
        source.reference,
        target.reference,
        session.dialect,
        sql=pair.sql,
        pipeline_id=await runs.pipeline_of(session, pair.root_run),
        mapping=mapping,
    )
    await session.edge(f"edge:{pair.source}:{pair.target}", payload)


async def _remove(session: Session, pair: Pair, source: Place, target: Place) -> None:
    try:
        await session.client.delete(f"/lineage/{source.type}/{source.id}/{target.type}/{target.id}")
    except MissingError:  # it is gone already, or was never there
        await session.still_there()
    await session.sents.forget(f"edge:{pair.source}:{pair.target}")
