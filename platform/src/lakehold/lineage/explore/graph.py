"""The part of the graph around a table or column, as one answer: tables, columns, processes and edges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore import names, unknown
from lakehold.lineage.explore.asked import NOW
from lakehold.lineage.explore.find import Place, Statement, all_rows
from lakehold.lineage.explore.walk import Bounds, Direction, Edge, Fan, Walk, Way, walk
from lakehold.lineage.model import WHOLE, Table

_FIELDS = """
SELECT f.field_id, f.node_id, f.name, f.type, f.position FROM field f WHERE f.field_id = ANY(%(fields)s)
ORDER BY f.node_id, f.position NULLS LAST, f.name
"""
_NODES: LiteralString = """
SELECT n.node_id AS id, n.namespace, n.name, n.kind,
    (SELECT count(*) FROM field f WHERE f.node_id = n.node_id AND f.name <> '' AND f.removed_at IS NULL) AS columns
FROM node n
WHERE n.node_id = ANY(ARRAY(SELECT DISTINCT node_id FROM field WHERE field_id = ANY(%(fields)s)) || %(also)s::bigint[])
ORDER BY n.namespace, n.name
"""
_PROCESSES = """
SELECT process_id AS id, namespace, name, kind FROM process WHERE process_id = ANY(%(processes)s) ORDER BY name
"""


@dataclass
class Around:
    """What is around a place, in each direction that was asked for."""

    walks: dict[Direction, Walk]

    @property
    def edges(self) -> dict[int, Edge]:
        """Every edge, once."""
        return {edge_id: edge for found in self.walks.values() for edge_id, edge in found.edges.items()}

    @property
    def truncated(self) -> bool:
        """Whether there is more than was asked for."""
        return any(found.truncated for found in self.walks.values())


async def look(connection: AsyncConnection[TupleRow], place: Place, bounds: Bounds, at: datetime | None) -> Around:
    """Walk from a place in each direction; ``at`` as for :func:`~lakehold.lineage.explore.walk.walk`."""
    whole = [place.fields[WHOLE]] if WHOLE in place.fields else []
    ways = [
        Way(
            direction=side,
            start=whole if bounds.which == "tables" else place.start,
            most=max(bounds.most // len(bounds.directions), 1),
            rows=place.rows if side == "up" and bounds.which == "all" else (),
        )
        for side in bounds.directions
    ]
    fan = Fan(most=bounds.fan, of_columns=place.column is not None) if bounds.fan is not None else None
    await walk(connection, ways, depth=bounds.depth, at=at, which=bounds.which, fan=fan)
    return Around({way.direction: way.found for way in ways})


async def answer(
    connection: AsyncConnection[TupleRow], place: Place, bounds: Bounds, at: datetime, catalog: str
) -> dict[str, Any]:
    """Return what is around a place, as one answer."""
    around = await look(connection, place, bounds, at)
    edges = around.edges.values()
    asked = [place.fields[name] for name in {place.column or WHOLE} if name in place.fields]
    unsaid = [unknown.statement_of(place.node["id"], at)] if bounds.direction != "down" else []
    found, said = await _pieces(connection, {*asked, *ends(edges)}, edges, catalog, [place.node["id"]], unsaid)
    _measure(found["nodes"], around.walks)
    return {
        "of": {"node": place.node["id"], "field": place.field},
        "at": shown(at),
        **found,
        # Why nobody knows the sources of the column that was asked for, or of which columns of the table.
        "unknown": {
            row["column"]: row["reason"] for rows in said for row in rows if place.column in (None, row["column"])
        },
        "more": _more(found["nodes"], around.walks, of_columns=place.column is not None),
        "truncated": around.truncated,
    }


def _more(nodes: list[dict[str, Any]], walks: dict[Direction, Walk], *, of_columns: bool) -> list[dict[str, Any]]:
    """Return of how many tables next to a place, a column or else a table, nothing is shown."""
    node_of = {field["id"]: node["id"] for node in nodes for field in node["fields"]} if of_columns else {}
    return [
        {
            "node": node_of[near] if of_columns else near,
            "field": near if of_columns else None,
            "direction": side,
            "tables": count,
        }
        for side, found in walks.items()
        for near, count in sorted(found.more.items())
    ]


def shown(at: datetime) -> datetime | None:
    """Return the time an answer is of; None for now."""
    return None if at == NOW else at


def ends(edges: Iterable[Edge]) -> set[int]:
    """Return every column at an end of an edge."""
    return {edge[side] for edge in edges for side in ("source_field", "target_field")}


async def pieces(
    connection: AsyncConnection[TupleRow],
    fields: Iterable[int],
    edges: Iterable[Edge],
    catalog: str,
    also: Sequence[int] = (),
) -> dict[str, Any]:
    """Return edges with the tables (those of ``also`` too), columns and processes they are between."""
    found, _ = await _pieces(connection, fields, edges, catalog, also)
    return found


async def _pieces(
    connection: AsyncConnection[TupleRow],
    fields: Iterable[int],
    edges: Iterable[Edge],
    catalog: str,
    also: Sequence[int],
    more: Sequence[Statement] = (),
) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """Return the pieces, and what further statements find."""
    edges, ids = list(edges), list(fields)
    asked: list[Statement] = [
        (_FIELDS, {"fields": ids}),
        (_NODES, {"fields": ids, "also": list(also)}),
        (_PROCESSES, {"processes": list({edge["process_id"] for edge in edges})}),
    ]
    columns, nodes, processes, *rest = await all_rows(connection, [*asked, *more])
    by_node: dict[int, list[dict[str, Any]]] = defaultdict(list)
    node_of: dict[int, int] = {}
    for row in columns:
        node_of[row["field_id"]] = row["node_id"]
        by_node[row["node_id"]].append({"id": row["field_id"], "name": row["name"], "type": row["type"]})
    for node in nodes:
        node["title"] = names.title(Table(node["namespace"], node["name"]), catalog)
        node["fields"] = by_node[node["id"]]
    return {"nodes": nodes, "processes": processes, "edges": [_edge(edge, node_of) for edge in edges]}, rest


def _edge(edge: Edge, node_of: dict[int, int]) -> dict[str, Any]:
    source, target = edge["source_field"], edge["target_field"]
    return {
        "id": edge["edge_id"],
        "source": {"node": node_of[source], "field": source},
        "target": {"node": node_of[target], "field": target},
        "process": edge["process_id"],
        **{key: edge[key] for key in ("direct", "how", "believed", "expression", "first_seen", "last_seen")},
    }


def _measure(nodes: list[dict[str, Any]], walks: dict[Direction, Walk]) -> None:
    """Say of each table how many steps away it is: fewer than 0 upstream, more than 0 downstream."""
    for node in nodes:
        near = [
            (found.distance[field["id"]], -1 if side == "up" else 1)
            for side, found in walks.items()
            for field in node["fields"]
            if field["id"] in found.distance
        ]
        steps, sign = min(near, default=(0, 1))
        node["distance"] = steps * sign
