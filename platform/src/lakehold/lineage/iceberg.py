"""Writes the graph to the Iceberg tables ``ops.lineage_*``, for SQL: ``python -m lakehold.lineage.iceberg``.

Each table is replaced in one commit, page by page, so neither this program nor the service ever holds a whole graph. A
table that has the newest state already is left alone. Runs in the environment ``engine``.
"""

from __future__ import annotations

import http.client
import json
import logging
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from lakehold.config import ancestry, platform
from lakehold.config.platform import LineageAddress
from lakehold.errors import ConflictError, LakeholdError, NotRunningError
from lakehold.lineage.tables import VIEWS, View

SCHEMA = "ops"
POSITION = "lakehold.lineage-position"
"""Property of a table: the state of the graph it holds."""

_PAGE_ROWS = 20_000
_FILE_BYTES = 64 * 1024 * 1024
"""Of Arrow's arrays, gathered for one data file."""
_SECONDS = 60

Row = list[Any]


class Graph:
    """The lineage service, as it is asked for its graph."""

    def __init__(self, address: LineageAddress) -> None:
        self._address = address

    def positions(self) -> Mapping[str, str]:
        """Return, for each table, a text that is another one when it has changed."""
        found: Mapping[str, str] = self._get("export")
        return found

    def pages(self, view: View, rows: int = _PAGE_ROWS) -> Iterator[list[Row]]:
        """Yield the rows of a table without their keys, page by page."""
        after = ""
        while True:
            page = self._get(f"export/{view.name}?limit={rows}&after={quote(after)}")
            width = len(view.key)
            yield [row[width:] for row in page]
            if len(page) < rows:
                return
            after = ",".join(str(part) for part in page[-1][:width])

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address is the platform's own
            f"{self._address.url}/api/v1/{path}", headers={"Authorization": f"Bearer {self._address.token}"}
        )
        # The machine's proxy variables are not for a service on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{error} {error.read()[:300]!r}" if isinstance(error, urllib.error.HTTPError) else str(error)
            raise NotRunningError(
                "The lineage service does not answer, so its tables stay as they are.", why=why, remedy="lakehold up"
            ) from error


def refresh(catalog: Any, graph: Graph) -> dict[str, int | None]:
    """Make every table hold the graph as it is; returns its rows, ``None`` for a table that held it already."""
    positions = graph.positions()
    catalog.create_namespace_if_not_exists(SCHEMA)
    return {name: _refresh(_ensure(catalog, view), view, graph, positions[name]) for name, view in VIEWS.items()}


def _refresh(table: Any, view: View, graph: Graph, position: str) -> int | None:
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.expressions import AlwaysTrue

    if table.properties.get(POSITION) == position:
        return None
    told = ancestry.snapshot_properties("lineage.tables")
    count = 0
    try:
        with table.transaction() as change:
            if table.current_snapshot() is not None:
                change.delete(AlwaysTrue(), snapshot_properties=told)
            for rows in _gathered(_arrow(view, page) for page in graph.pages(view) if page):
                change.append(rows, snapshot_properties=told)
                count += rows.num_rows
            change.set_properties({POSITION: position})
    except CommitFailedException as error:
        raise ConflictError(
            f"{SCHEMA}.{view.name} was written by somebody else meanwhile.", why=str(error), remedy="run it again"
        ) from error
    return count


def _gathered(pages: Iterable[Any]) -> Iterator[Any]:
    """Join Arrow tables into those that are worth a file; only a page at a time is ever Python's own objects."""
    import pyarrow as pa

    pending: list[Any] = []
    for page in pages:
        pending.append(page)
        if sum(one.nbytes for one in pending) >= _FILE_BYTES:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def _ensure(catalog: Any, view: View) -> Any:
    """Return the table, made or given its new columns when need be."""
    from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError

    name = f"{SCHEMA}.{view.name}"
    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
        try:
            return catalog.create_table(name, schema=_schema(view))
        except TableAlreadyExistsError:
            return catalog.load_table(name)
    known = {field.name for field in table.schema().fields}
    if new := [column for column in view.columns if column.name not in known]:
        kinds = _types()
        with table.update_schema() as update:
            for column in new:
                update.add_column(column.name, kinds[column.kind], doc=column.doc)
    return table


def _types() -> Mapping[str, Any]:
    from pyiceberg import types

    return {
        "string": types.StringType(),
        "long": types.LongType(),
        "boolean": types.BooleanType(),
        "timestamptz": types.TimestamptzType(),
    }


def _schema(view: View) -> Any:
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    kinds = _types()
    return Schema(
        *(
            NestedField(number, column.name, kinds[column.kind], required=False, doc=column.doc)
            for number, column in enumerate(view.columns, start=1)
        )
    )


def _arrow(view: View, rows: list[Row]) -> Any:
    import pyarrow as pa

    kinds = {"string": pa.string(), "long": pa.int64(), "boolean": pa.bool_(), "timestamptz": pa.timestamp("us", "UTC")}
    arrays = [
        pa.array(values, type=kinds[column.kind])
        for column, values in zip(view.columns, zip(*rows, strict=True), strict=True)
    ]
    return pa.table(arrays, names=[column.name for column in view.columns])


def main() -> int:
    """Refresh the tables of the platform this process belongs to."""
    from pyiceberg.catalog import load_catalog

    # It warns about every namespace property it does not know.
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    try:
        known = platform.load()
        for name, count in refresh(load_catalog(**known.catalog), Graph(known.lineage)).items():
            print(f"{SCHEMA}.{name}: {'as it was' if count is None else f'{count} rows'}")  # noqa: T201 - its output
    except LakeholdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the message of a program
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
