"""Which sinks there are: what the service's environment says of them, read once."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from lakehold.errors import ConfigError

OPENLINEAGE_URL = "LAKEHOLD_LINEAGE_OPENLINEAGE_URL"
OPENLINEAGE_TOKEN = "LAKEHOLD_LINEAGE_OPENLINEAGE_TOKEN"  # noqa: S105 - the variable's name, not a token
OPENLINEAGE_CA = "LAKEHOLD_LINEAGE_OPENLINEAGE_CA"
OPENMETADATA_URL = "LAKEHOLD_LINEAGE_OPENMETADATA_URL"
OPENMETADATA_TOKEN = "LAKEHOLD_LINEAGE_OPENMETADATA_TOKEN"  # noqa: S105 - the variable's name, not a token
OPENMETADATA_CA = "LAKEHOLD_LINEAGE_OPENMETADATA_CA"
OPENMETADATA_SERVICE = "LAKEHOLD_LINEAGE_OPENMETADATA_SERVICE"
AIRFLOW_URL = "LAKEHOLD_LINEAGE_AIRFLOW_URL"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address and the bearer token it wants (empty: none)."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: str = ""
    """PEM file with the authority its certificate is from; empty: those the machine trusts."""


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """An OpenMetadata and the names of what we publish there."""

    endpoint: Endpoint
    """Base address, without ``/api``, and a bot's token."""
    service: str = "lakehold"
    """The database service that holds the Iceberg catalog; the pipeline and storage services are named after it."""
    airflow_url: str = ""
    """Where people open Airflow, for links; empty: no links."""


@dataclass(frozen=True, kw_only=True)
class SinkOptions:
    """The sinks of an installation; ``None`` where there is none."""

    openlineage: Endpoint | None = None
    openmetadata: Catalog | None = None


def openlineage(environment: Mapping[str, str]) -> Endpoint | None:
    """Read the endpoint that is sent every event; :class:`ConfigError` names the variable that is wrong."""
    return _endpoint(environment, OPENLINEAGE_URL, OPENLINEAGE_TOKEN, OPENLINEAGE_CA)


def openmetadata(environment: Mapping[str, str]) -> Catalog | None:
    """Read the OpenMetadata that is told; :class:`ConfigError` names the variable that is wrong."""
    endpoint = _endpoint(environment, OPENMETADATA_URL, OPENMETADATA_TOKEN, OPENMETADATA_CA)
    if endpoint is None:
        return None
    if not endpoint.token:
        raise ConfigError(
            f"{OPENMETADATA_URL} is set, {OPENMETADATA_TOKEN} is not.",
            why="OpenMetadata takes nothing from somebody it does not know",
            remedy="put a bot's token into a file (0600) and name it as openmetadata.token_file in lakehold.toml",
        )
    return Catalog(
        endpoint=endpoint,
        service=environment.get(OPENMETADATA_SERVICE) or Catalog.service,
        airflow_url=environment.get(AIRFLOW_URL, "").rstrip("/"),
    )


def _endpoint(environment: Mapping[str, str], url_name: str, token_name: str, ca_name: str) -> Endpoint | None:
    url = environment.get(url_name, "").strip()
    if not url:
        return None
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as problem:
        raise ConfigError(f"{url_name} is no address: {url!r}.", why=str(problem)) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError(f"{url_name} is no address: {url!r}.", remedy="begin it with http:// or https://")
    if parsed.userinfo:
        raise ConfigError(
            f"{url_name} holds a user or password.", why="addresses are shown and logged", remedy="use a token file"
        )
    ca_file = environment.get(ca_name, "")
    if ca_file:
        try:
            ssl.create_default_context(cafile=ca_file)
        except OSError as problem:  # ssl.SSLError is one
            raise ConfigError(
                f"{ca_name} names no file with certificates: {ca_file}.", why=str(problem), remedy="name a PEM file"
            ) from None
    return Endpoint(url=url.rstrip("/"), token=environment.get(token_name, "").strip(), ca_file=ca_file)
