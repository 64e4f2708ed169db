"""What the lineage service is told by its environment, read once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lakehold.config import posting
from lakehold.errors import ConfigError
from lakehold.lineage.catalog.source import Source, Store, Trino
from lakehold.lineage.sinks import settings as sinks

log = logging.getLogger(__name__)

_Sink = TypeVar("_Sink", sinks.Endpoint, sinks.Catalog)

DATABASE = "LAKEHOLD_LINEAGE_DATABASE"
TOKEN = "LAKEHOLD_LINEAGE_TOKEN"  # noqa: S105 - the variable's name, not a token
TOKEN_FILE = "LAKEHOLD_LINEAGE_TOKEN_FILE"  # noqa: S105 - the variable's name, not a token
HOST = "LAKEHOLD_LINEAGE_HOST"
PORT = "LAKEHOLD_LINEAGE_PORT"
CATALOG = "LAKEHOLD_LINEAGE_CATALOG"
CYTOSCAPE = "LAKEHOLD_LINEAGE_CYTOSCAPE"
CATALOG_DATABASE = "LAKEHOLD_LINEAGE_CATALOG_DATABASE"
S3_ENDPOINT = "LAKEHOLD_LINEAGE_S3_ENDPOINT"
S3_REGION = "LAKEHOLD_LINEAGE_S3_REGION"
S3_ACCESS = "LAKEHOLD_LINEAGE_S3_ACCESS_KEY"
S3_SECRET = "LAKEHOLD_LINEAGE_S3_SECRET_KEY"  # noqa: S105 - the variable's name, not a secret
TRINO = "LAKEHOLD_LINEAGE_TRINO"
TRINO_CA = "LAKEHOLD_LINEAGE_TRINO_CA"
TRUSTED = "LAKEHOLD_LINEAGE_TRUSTED_USERS"
TRINO_USER = "LAKEHOLD_LINEAGE_TRINO_USER"
TRINO_PASSWORD = "LAKEHOLD_LINEAGE_TRINO_PASSWORD"  # noqa: S105 - the variable's name, not a password


@dataclass(frozen=True, kw_only=True)
class Options:
    """The service's settings. ``database`` is a libpq connection string; its password comes by ``PGPASSWORD``."""

    database: str
    host: str
    port: int
    token: str = field(repr=False)
    trusted: frozenset[str] = frozenset()
    """Trino's users whose queries may say which task or dbt model they are of."""
    catalog: str = "lakehouse"
    """The Iceberg catalog's name: the namespace of its tables."""
    cytoscape: Path | None = None
    """The folder of the library that draws the page's graph; without it the page only lists."""
    body_bytes: int = 16 * 1024 * 1024
    """Most bytes of one request, after decompression."""
    backlog_bytes: int = 64 * 1024 * 1024
    """Most bytes of events that wait for a commit; more is refused, so that memory stays bounded."""
    answer_seconds: float = posting.ANSWER_SECONDS
    """An emitter is answered within this, before it gives up."""


def load_sinks(environment: Mapping[str, str] = os.environ) -> sinks.SinkOptions:
    """Read who else is told. One that is named wrongly is left out, loudly: emitters need the rest."""
    return sinks.SinkOptions(
        openlineage=_unless_wrong(sinks.openlineage, environment),
        openmetadata=_unless_wrong(sinks.openmetadata, environment),
    )


def _unless_wrong(read: Callable[[Mapping[str, str]], _Sink | None], environment: Mapping[str, str]) -> _Sink | None:
    try:
        return read(environment)
    except ConfigError as problem:
        log.error("nobody is told by this sink: %s", problem)
        return None


def database(environment: Mapping[str, str] = os.environ) -> str:
    """Return the connection string of the lineage database."""
    return _required(environment, DATABASE)


def trusted(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the users of Trino who are believed."""
    return frozenset(name for one in environment.get(TRUSTED, "").split(",") if (name := one.strip()))


def catalog(environment: Mapping[str, str] = os.environ) -> str:
    """Return the name of the Iceberg catalog."""
    return environment.get(CATALOG) or "lakehouse"


def load(environment: Mapping[str, str] = os.environ) -> Options:
    """Read the environment; :class:`ConfigError` names the variable that is missing or wrong."""
    port = _required(environment, PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"{PORT} is no TCP port: {port!r}.", remedy=f"set {PORT} to a number from 1 to 65535")
    return Options(
        database=database(environment),
        host=environment.get(HOST, "127.0.0.1"),
        port=int(port),
        token=_token(environment),
        trusted=trusted(environment),
        catalog=catalog(environment),
        cytoscape=Path(environment[CYTOSCAPE]) if environment.get(CYTOSCAPE) else None,
    )


def source(environment: Mapping[str, str] = os.environ) -> Source | None:
    """Return where the catalog can be read; ``None`` where it cannot: then there is no coverage."""
    if not environment.get(CATALOG_DATABASE):
        return None
    store = Store(
        endpoint=_required(environment, S3_ENDPOINT),
        region=_required(environment, S3_REGION),
        access=_required(environment, S3_ACCESS),
        secret=_required(environment, S3_SECRET),
    )
    return Source(
        name=catalog(environment),
        database=_required(environment, CATALOG_DATABASE),
        store=store,
        trino=_trino(environment),
    )


def _trino(environment: Mapping[str, str]) -> Trino | None:
    if not environment.get(TRINO):
        return None
    return Trino(
        url=_required(environment, TRINO),
        ca=_required(environment, TRINO_CA),
        user=_required(environment, TRINO_USER),
        password=_required(environment, TRINO_PASSWORD),
        trusted=trusted(environment),
    )


def _token(environment: Mapping[str, str]) -> str:
    file = environment.get(TOKEN_FILE)
    if file:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise ConfigError(f"{TOKEN_FILE} cannot be read.", why=str(problem)) from None
    else:
        token = _required(environment, TOKEN)
    if len(token) < 16:
        raise ConfigError("The lineage token is shorter than 16 characters.", remedy="generate one: lakehold up")
    return token


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise ConfigError(f"{name} is not set.", remedy="start the service by: lakehold up")
    return value
