"""Everything downstream of a table or column: what a change of it would touch, table by table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore import graph, owners
from lakehold.lineage.explore.find import Place, rows
from lakehold.lineage.explore.unknown import unknown_reading
from lakehold.lineage.explore.walk import Edge, Way, walk
from lakehold.lineage.model import WHOLE

MOST_EDGES = 20_000
_MOST_STEPS = 200


@dataclass
class _Reach:
    """What was reached: every edge that leads on, and the columns, by how sure it is that they are."""

    edges: dict[int, Edge] = field(default_factory=dict)
    sure: dict[int, int] = field(default_factory=dict)
    """Column → steps."""
    maybe: dict[int, str] = field(default_factory=dict)
    """Column → why it is not known whether it is reached."""
    writers: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Column that may be reached → the processes that would."""
    truncated: bool = False


async def impact(
    connection: AsyncConnection[TupleRow], place: Place, at: datetime, catalog: str, most: int = MOST_EDGES
) -> dict[str, Any]:
    """Return the tables a change of ``place`` reaches, the nearest first, with columns, processes and owners.

    A column is reached by its *value*, or because something decided by the place *decides* about it, or *perhaps*: a
    process reads a table that is reached and nobody knows from which columns it makes this one.
    """
    reach = _Reach()
    start = set(place.start)
    await _spread(connection, reach, start, at, most)
    reach.sure = {key: steps for key, steps in reach.sure.items() if key not in start}
    await _perhaps(connection, reach, start, at, most)
    reached = {*reach.sure, *reach.maybe}
    found = await graph.pieces(connection, [*start, *reached], reach.edges.values(), catalog, also=[place.node["id"]])
    values = _values(start, reach.edges.values())
    into: dict[int, list[Edge]] = defaultdict(list)
    for edge in reach.edges.values():
        into[edge["target_field"]].append(edge)
    tables = [_table(node, reach, values, into, catalog) for node in found["nodes"] if _touched(node, reached)]
    makers = {process for table in tables for process in table["processes"]}
    whose = await owners.owners(connection, makers)
    return {
        "of": {"node": place.node["id"], "field": place.field},
        "at": graph.shown(at),
        "tables": sorted(tables, key=lambda table: (table["distance"], table["title"])),
        "processes": [{**one, "owners": whose.get(one["id"], [])} for one in found["processes"] if one["id"] in makers],
        "columns": sum(len(table["columns"]) for table in tables),
        "truncated": reach.truncated,
    }


async def _spread(
    connection: AsyncConnection[TupleRow], reach: _Reach, start: Collection[int], at: datetime, most: int
) -> set[int]:
    """Walk down as far as it goes; return the columns that were come by."""
    way = Way(direction="down", start=start, most=most - len(reach.edges))
    await walk(connection, [way], depth=_MOST_STEPS, at=at)
    found = way.found
    reach.edges |= found.edges
    reach.truncated |= found.truncated
    for key, steps in found.distance.items():
        reach.sure.setdefault(key, steps)
    return set(found.distance)


async def _perhaps(
    connection: AsyncConnection[TupleRow], reach: _Reach, start: Collection[int], at: datetime, most: int
) -> None:
    """Go on from columns nobody knows the sources of, wherever a table that was reached is read for them."""
    sure = {*start, *reach.sure}
    known = set(sure)
    for _ in range(_MOST_STEPS):
        nodes = await rows(
            connection, "SELECT DISTINCT node_id FROM field WHERE field_id = ANY(%(fields)s)", {"fields": list(known)}
        )
        unknown = await unknown_reading(connection, [row["node_id"] for row in nodes], at)
        fresh = {row["field"]: row["reason"] for row in unknown if row["field"] not in known}
        for row in unknown:
            if row["field"] not in sure:
                reach.writers[row["field"]].add(row["process"])
        if not fresh or reach.truncated:
            return
        reach.maybe |= fresh
        behind = dict(reach.sure)
        for key in await _spread(connection, reach, fresh, at, most) - known:
            reach.maybe.setdefault(key, "made from a column that is perhaps reached")
        reach.sure = behind
        known |= reach.maybe.keys()


def _values(start: Collection[int], edges: Collection[Edge]) -> set[int]:
    """Return the columns whose value has one of ``start`` in it."""
    onward: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        if edge["direct"]:
            onward[edge["source_field"]].append(edge["target_field"])
    found, todo = set(start), list(start)
    while todo:
        fresh = [key for key in onward[todo.pop()] if key not in found]
        found.update(fresh)
        todo += fresh
    return found


def _touched(node: dict[str, Any], reached: Collection[int]) -> bool:
    return any(one["id"] in reached for one in node["fields"])


def _table(
    node: dict[str, Any], reach: _Reach, values: Collection[int], into: dict[int, list[Edge]], catalog: str
) -> dict[str, Any]:
    here = {one["id"]: one["name"] for one in node["fields"]}
    edges = [edge for key in here for edge in into.get(key, ())]
    perhaps = {process for key in here if key in reach.maybe for process in reach.writers.get(key, ())}
    columns = [
        {
            "id": key,
            "name": name,
            "by": "value" if key in values and key in reach.sure else "decides" if key in reach.sure else "perhaps",
            "reason": reach.maybe.get(key, "") if key not in reach.sure else "",
        }
        for key, name in here.items()
        if name != WHOLE and (key in reach.sure or key in reach.maybe)
    ]
    steps = [reach.sure[key] for key in here if key in reach.sure]
    return {
        **{key: node[key] for key in ("id", "namespace", "name", "title", "kind")},
        "layer": node["name"].partition(".")[0] if node["namespace"] == catalog else node["namespace"],
        "distance": min(steps, default=_MOST_STEPS),
        "sure": bool(steps),
        "rows": any(name == WHOLE and key in reach.sure for key, name in here.items()),
        "columns": columns,
        "of_columns": node["columns"],
        "how": sorted({edge["how"] for edge in edges if edge["how"]}),
        "processes": sorted({edge["process_id"] for edge in edges} | perhaps),
    }
