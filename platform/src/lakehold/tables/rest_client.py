"""An Iceberg REST catalog as publications need it: raw metadata, registrations, and commits of several tables at once.

pyiceberg does the logging in, the configuration and the files; its tables are objects that know one commit of one
table, so the requests that are about metadata as such are made here, on pyiceberg's own session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchNamespaceError, NoSuchTableError, NoSuchViewError
from requests.adapters import HTTPAdapter

from lakehold.errors import ConfigError, LakeholdError
from lakehold.tables.difference import Json, Update, view_updates
from lakehold.tables.files import THREADS

_TIMEOUT_SECONDS = 60
_UNAUTHORIZED = (401, 419)
_CONFLICT = 409
_MISSING = 404
_SERVER_ERROR = 500


class RefusedError(Exception):
    """The catalog refused a commit: a requirement does not hold, or a table is not (or no longer) there."""


class UnknownOutcomeError(Exception):
    """The catalog did not say whether it committed; the tables have to be looked at."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A table as the catalog has it now."""

    location: str
    """Of the metadata file."""
    metadata: Json


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a commit does to one table."""

    schema: str
    table: str
    requirements: Sequence[Update]
    updates: Sequence[Update]

    def body(self) -> dict[str, Any]:
        """The change as the protocol spells it."""
        return {
            "identifier": {"namespace": [self.schema], "name": self.table},
            "requirements": list(self.requirements),
            "updates": list(self.updates),
        }


class RestClient:
    """A session with a REST catalog; ``properties`` are pyiceberg's, with ``name``."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        try:
            self._catalog: Any = load_catalog(**properties)
        except requests.ConnectionError as error:
            raise ConfigError(
                f"The REST catalog at {properties['uri']} does not answer.",
                why=str(error),
                remedy="check catalog.uri in lakehold.toml, and that the catalog is up",
            ) from error
        # pyiceberg has no public way to send what it does not know.
        self._session: requests.Session = self._catalog._session
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS))

    def schemas(self, ending: str) -> list[str]:
        """Names of the schemas that end so, sorted."""
        return sorted(name[0] for name in self._catalog.list_namespaces() if name[0].endswith(ending))

    def tables(self, schema: str) -> list[str]:
        """Names of a schema's tables, sorted; empty when there is no such schema."""
        try:
            return sorted(name[-1] for name in self._catalog.list_tables((schema,)))
        except NoSuchNamespaceError:
            return []

    def views(self, schema: str) -> list[str]:
        """Names of a schema's views, sorted; empty also for a catalog that knows no views."""
        try:
            return sorted(name[-1] for name in self._catalog.list_views((schema,)))
        except (NoSuchNamespaceError, NotImplementedError):
            return []

    def load(self, schema: str, table: str) -> Found | None:
        """The table as it is now; None when there is none."""
        return self._found("GET", self._url("tables", schema, table))

    def load_view(self, schema: str, view: str) -> Found | None:
        """The view as it is now; None when there is none."""
        return self._found("GET", self._url("views", schema, view))

    def put_view(self, schema: str, view: str, metadata: Json) -> Found:
        """Make a view of another's metadata, or make an existing view say the same."""
        (version,) = (one for one in metadata["versions"] if one["version-id"] == metadata["current-version-id"])
        (columns,) = (one for one in metadata["schemas"] if one["schema-id"] == version["schema-id"])
        existing = self.load_view(schema, view)
        if existing is None:
            properties = metadata.get("properties", {})
            body = {"name": view, "schema": columns, "view-version": version, "properties": properties}
            made = self._found("POST", self._url("views", schema), body)
        else:
            required = [{"type": "assert-view-uuid", "uuid": existing.metadata["view-uuid"]}]
            body = {"requirements": required, "updates": view_updates(existing.metadata, version, columns)}
            made = self._found("POST", self._url("views", schema, view), body)
        if made is None:
            raise LakeholdError(f"The view {schema}.{view} could not be made: somebody else is changing it.")
        return made

    def register(self, schema: str, table: str, location: str) -> Found | None:
        """Make a table of a metadata file, copying nothing; None when there already is a table of that name."""
        body = {"name": table, "metadata-location": location, "overwrite": False}
        return self._found("POST", self._url("register", schema), body)

    def forget(self, schema: str, table: str) -> None:
        """Take a table out of the catalog and leave its files; nothing happens when there is none."""
        try:
            self._catalog.drop_table((schema, table), purge_requested=False)
        except NoSuchTableError:
            return

    def forget_view(self, schema: str, view: str) -> None:
        """Drop a view; nothing happens when there is none."""
        try:
            self._catalog.drop_view((schema, view))
        except NoSuchViewError:
            return

    def ensure_schema(self, schema: str, properties: Mapping[str, str]) -> bool:
        """Make a schema; whether it was not there before."""
        try:
            self._catalog.create_namespace((schema,), dict(properties))
        except NamespaceAlreadyExistsError:
            return False
        return True

    def schema_properties(self, schema: str) -> dict[str, str] | None:
        """A schema's properties; None when there is no such schema."""
        try:
            return dict(self._catalog.load_namespace_properties((schema,)))
        except NoSuchNamespaceError:
            return None

    def drop_schema(self, schema: str) -> None:
        """Drop an empty schema; nothing happens when there is none."""
        try:
            self._catalog.drop_namespace((schema,))
        except NoSuchNamespaceError:
            return

    def commit(self, changes: Sequence[Change]) -> None:
        """Change all tables or none, by one request; raises :class:`RefusedError` or :class:`UnknownOutcomeError`."""
        self._commit(self._catalog.url("transactions/commit"), {"table-changes": [each.body() for each in changes]})

    def commit_one(self, change: Change) -> None:
        """Change one table."""
        self._commit(self._url("tables", change.schema, change.table), change.body())

    def _commit(self, url: str, body: Mapping[str, Any]) -> None:
        try:
            answer = self._request("POST", url, body)
        except requests.RequestException as error:
            raise UnknownOutcomeError(str(error)) from error
        if answer.status_code >= _SERVER_ERROR:
            raise UnknownOutcomeError(_message(answer))
        if answer.status_code in (_CONFLICT, _MISSING):
            raise RefusedError(_message(answer))
        _check(answer)

    def _found(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Found | None:
        try:
            answer = self._request(method, url, body)
        except requests.RequestException as error:
            raise LakeholdError(
                f"The REST catalog did not answer {method} {url}.", why=str(error), remedy="try again when it is up"
            ) from error
        if answer.status_code == (_MISSING if method == "GET" else _CONFLICT):
            return None
        _check(answer)
        found = answer.json()
        return Found(location=found["metadata-location"], metadata=found["metadata"])

    def _request(self, method: str, url: str, body: Mapping[str, Any] | None) -> requests.Response:
        data = None if body is None else json.dumps(body).encode()
        answer = self._session.request(method, url, data=data, timeout=_TIMEOUT_SECONDS)
        if answer.status_code in _UNAUTHORIZED:
            self._catalog._refresh_token()  # as pyiceberg itself does when a token has expired
            answer = self._session.request(method, url, data=data, timeout=_TIMEOUT_SECONDS)
        return answer

    def _url(self, kind: str, schema: str, *name: str) -> str:
        path = "/".join(("namespaces", quote(schema, safe=""), kind, *(quote(part, safe="") for part in name)))
        return str(self._catalog.url(path.replace("{", "{{").replace("}", "}}")))


def _check(answer: requests.Response) -> None:
    if not answer.ok:
        raise LakeholdError(
            f"The REST catalog refused {answer.request.method} {answer.request.url} ({answer.status_code}).",
            why=_message(answer),
            remedy="see the catalog's log; which requests a catalog must know: docs/how-to/use-a-rest-catalog.md",
        )


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:500] or answer.reason
