"""A program tells what it loaded from files that no engine saw it read: one run a table, below the program's task.

    told = [Loaded(table="bronze.flights", source="s3://landing/flights", files=[…], columns={"dest": ["dest"]})]
    if why := tell(told, platform.load()): …

Spark's own events say that the table was written, but of a frame made in Python not what from. Only the standard
library is used, because the program runs in the environment of its engine.
"""

from __future__ import annotations

import http.client
import json
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehold import __version__
from lakehold.config import ancestry
from lakehold.config.ancestry import Ancestry
from lakehold.config.platform import Platform

_PRODUCER = f"https://lakehold.invalid/{__version__}/load"
"""Who made the event; a reserved name, because nothing of the platform has an address on the internet."""
_SPEC = "https://openlineage.io/spec"
_SECONDS = 1.0
"""The most a program waits for the lineage service."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A table that was loaded from files.

    :param table: ``schema.table``, as readers know it
    :param source: what the files of all runs have in common: the folder, ``s3://landing/flights``, or the one file
    :param files: those of this run, complete addresses
    :param columns: column of the table → columns of the files it is made from; one of the same name is taken as it is
    """

    table: str
    source: str
    files: Sequence[str]
    columns: Mapping[str, Sequence[str]]


def tell(loads: Sequence[Loaded], known: Platform) -> str:
    """Send all of it; returns why it did not arrive, or nothing. Never waits longer than a second, never raises."""
    if not loads:
        return ""
    catalog, namespace = known.catalog["name"], known.lineage.namespace
    events = [event(one, catalog, namespace, ancestry.of_environment(), datetime.now(UTC)) for one in loads]
    request = urllib.request.Request(  # noqa: S310 - the address is the platform's own
        f"{known.lineage.url}/api/v1/lineage/batch",
        data=json.dumps(events).encode(),
        headers={"Authorization": f"Bearer {known.lineage.token}", "Content-Type": "application/json"},
    )
    try:
        # The machine's proxy variables are not for a service on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS):
            return ""
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error)


def event(load: Loaded, catalog: str, namespace: str, by: Ancestry, at: datetime) -> dict[str, Any]:
    """Return the COMPLETE event of one table."""
    bucket, _, path = load.source.removeprefix("s3://").partition("/")
    files = {"namespace": f"s3://{bucket}", "name": path.strip("/")}
    read = list(dict.fromkeys(source for sources in load.columns.values() for source in sources))
    job = f"{by.task.job if by.task else 'load'}.landed.{load.table.rpartition('.')[2]}"
    return {
        "eventType": "COMPLETE",
        # Exactly three digits and Z: what every reader of OpenLineage understands.
        "eventTime": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid.uuid4()), "facets": _parent(by)},
        "job": {"namespace": namespace, "name": job},
        "inputs": [
            {
                **files,
                "facets": {"schema": _schema(read)},
                "inputFacets": {
                    "subset": {
                        **_facet("1-0-0", "InputSubsetInputDatasetFacet", "BaseSubsetDatasetFacet"),
                        "inputCondition": {"type": "location", "locations": list(load.files)},
                    }
                },
            }
        ],
        "outputs": [
            {
                "namespace": catalog,
                "name": load.table,
                "facets": {"schema": _schema(list(load.columns)), "columnLineage": _lineage(load.columns, files)},
            }
        ],
    }


def _lineage(columns: Mapping[str, Sequence[str]], files: Mapping[str, str]) -> dict[str, Any]:
    fields = {
        column: {
            "inputFields": [
                {
                    **files,
                    "field": source,
                    "transformations": [
                        {
                            "type": "DIRECT",
                            "subtype": "IDENTITY" if list(sources) == [column] else "TRANSFORMATION",
                            "description": "",
                            "masking": False,
                        }
                    ],
                }
                for source in sources
            ]
        }
        for column, sources in columns.items()
    }
    return {**_facet("1-2-0", "ColumnLineageDatasetFacet"), "fields": fields}


def _schema(columns: Sequence[str]) -> dict[str, Any]:
    return {**_facet("1-1-1", "SchemaDatasetFacet"), "fields": [{"name": name} for name in columns]}


def _parent(by: Ancestry) -> dict[str, Any]:
    if by.task is None:
        return {}
    facet = {**_facet("1-2-0", "ParentRunFacet"), **_run(by.task)}
    return {"parent": {**facet, "root": _run(by.root)} if by.root else facet}


def _run(one: ancestry.Ancestor) -> dict[str, Any]:
    return {"run": {"runId": one.run}, "job": {"namespace": one.namespace, "name": one.job}}


def _facet(version: str, name: str, file: str = "") -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{file or name}.json#/$defs/{name}"}
