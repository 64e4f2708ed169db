"""A program tells what it loaded from files that no engine saw it read: one run a table, below the program's task.

    told = [Loaded(table="bronze.flights", source="s3://landing/flights", files=[…], columns={"dest": ["dest"]})]
    if why := tell(told, platform.load()): …

Spark's own events say that the table was written, but of a frame made in Python not what from. Only the standard
library is used, because the program runs in the environment of its engine.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehold.config import ancestry, openlineage, posting
from lakehold.config.ancestry import Ancestry
from lakehold.config.platform import Platform

_PRODUCER = openlineage.producer("load")


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
    """Tell all of it; returns why that is not possible, or nothing. Waits for nobody, never raises.

    It is left in the folder whose files Spark jobs and the task of ``ops.lineage_*`` post; the job this program is one
    of does so as soon as the program has ended.
    """
    if not loads:
        return ""
    catalog, namespace = known.catalog["name"], known.lineage.namespace
    events = [event(one, catalog, namespace, ancestry.of_environment(), datetime.now(UTC)) for one in loads]
    return posting.leave(posting.folder(known), events)


def event(load: Loaded, catalog: str, namespace: str, by: Ancestry, at: datetime) -> dict[str, Any]:
    """Return the COMPLETE event of one table."""
    bucket, _, path = load.source.removeprefix("s3://").partition("/")
    files = {"namespace": f"s3://{bucket}", "name": path.strip("/")}
    read = list(dict.fromkeys(source for sources in load.columns.values() for source in sources))
    job = f"{by.task.job if by.task else 'load'}.landed.{load.table.rpartition('.')[2]}"
    return {
        **openlineage.head("COMPLETE", at, _PRODUCER),
        "run": {"runId": str(uuid.uuid4()), "facets": openlineage.parent(_PRODUCER, by)},
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


def _facet(version: str, name: str, file: str = "") -> dict[str, Any]:
    return openlineage.facet(_PRODUCER, version, name, file=file)
