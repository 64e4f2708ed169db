"""What a running task must know of the platform: addresses, credentials, interpreters.

The runtime writes it as one JSON file (mode 0600; a mounted Secret in a cluster) and names it in ``LAKEHOLD_PLATFORM``.
Only the standard library is used, because every Python environment of the platform reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lakehold.errors import ConfigError

VARIABLE = "LAKEHOLD_PLATFORM"
LANDING, QUARANTINE = "landing", "quarantine"
"""The buckets' names, where the settings say nothing else."""


@dataclass(frozen=True, kw_only=True)
class TrinoAddress:
    """Where Trino is and the CA file its certificate is checked against; ``passwords`` by user."""

    host: str
    port: int
    ca: str
    catalog: str
    passwords: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class S3Address:
    """The object store; ``keys`` maps a user to its secret key, ``access_keys`` to its access key if not its name."""

    endpoint: str
    region: str
    keys: Mapping[str, str] = field(repr=False)
    access_keys: Mapping[str, str] = field(default_factory=dict)
    landing: str = LANDING
    """The bucket files are delivered to."""
    quarantine: str = QUARANTINE
    """The bucket refused files are copied to."""

    def access_key(self, user: str) -> str:
        """Return by which access key the store knows a user."""
        return self.access_keys.get(user, user)


@dataclass(frozen=True, kw_only=True)
class LineageAddress:
    """The lineage service: base URL, bearer token, and the OpenLineage namespace of jobs."""

    url: str
    namespace: str
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One platform, as a task sees it. Paths are absolute strings."""

    checkout: str
    work: str
    """A folder tasks may write run files to."""
    pythons: Mapping[str, str]
    """Environment name (``lakehold``, ``dbt``, ``engine``) → interpreter."""
    spark_java_home: str
    spark_properties: str
    """The properties file given to spark-submit; it holds secrets, so it is never copied to a command line."""
    spark_classes: str = ""
    """The folder of the store where archives of Spark's classes are shared; empty where there is none."""
    trino: TrinoAddress
    s3: S3Address
    lineage: LineageAddress
    catalog: Mapping[str, str] = field(repr=False)
    """pyiceberg's catalog properties, with ``name``."""
    publisher: str = field(repr=False)
    """Connection string (libpq) of the role that publishes: the ledger and, on a JDBC catalog, the tables' pointers."""

    def dumps(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)


def loads(text: str) -> Platform:
    """Read what :meth:`Platform.dumps` wrote."""
    raw = json.loads(text)
    raw["trino"] = TrinoAddress(**raw["trino"])
    raw["s3"] = S3Address(**raw["s3"])
    raw["lineage"] = LineageAddress(**raw["lineage"])
    return Platform(**raw)


def load() -> Platform:
    """Read the file ``LAKEHOLD_PLATFORM`` names; :class:`ConfigError` when there is none."""
    name = os.environ.get(VARIABLE)
    if not name:
        raise ConfigError(
            f"{VARIABLE} is not set, so this process does not know the platform it belongs to.",
            remedy='run it through Airflow, or in a shell after: eval "$(lakehold env)"',
        )
    return loads(Path(name).read_text(encoding="utf-8"))
