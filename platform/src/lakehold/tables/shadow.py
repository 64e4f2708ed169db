"""Shadow schemas: what a run's audited group is called, and where its writes go; standard library only.

A group of tasks that writes to ``gold`` writes to ``gold__audit_<key>`` until its gate has passed. Its commands learn
so from their environment, and ask :func:`written` for the name of each table they write. What they only read keeps its
published name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lakehold.config.shadows import VARIABLE, redirected

_KEY_DIGITS = 10
_MARK = "__audit_"
_SHADOW = re.compile(rf"(?P<target>.+){_MARK}[0-9a-f]{{{_KEY_DIGITS}}}")
_TAG_LENGTH = 60


@dataclass(frozen=True)
class Audit:
    """One audited group of one run. ``run`` is ``<dag_id>/<run_id>``, or any name a person chooses."""

    run: str
    group: str

    @property
    def key(self) -> str:
        """Ten hexadecimal digits that only this group of this run has."""
        return hashlib.sha256(f"{self.run}/{self.group}".encode()).hexdigest()[:_KEY_DIGITS]

    @property
    def ending(self) -> str:
        """How the names of all its shadow schemas end, and no others."""
        return f"{_MARK}{self.key}"

    def schema(self, target: str) -> str:
        """Return the name of the shadow of the schema ``target``."""
        return f"{target}{self.ending}"

    @property
    def tag(self) -> str:
        """Name of the Iceberg tag on every table the run publishes, the same for all its groups."""
        return tag_of(self.run)


def tag_of(run: str) -> str:
    """Return the tag of ``run``: readable, an identifier to every engine, and no other run's."""
    readable = re.sub(r"\W+", "_", run, flags=re.ASCII).strip("_")[:_TAG_LENGTH]
    return f"run_{readable}_{hashlib.sha256(run.encode()).hexdigest()[:8]}"


def target_of(schema: str) -> str:
    """Return the published schema that ``schema`` is a shadow of; ``schema`` itself when it is none."""
    found = _SHADOW.fullmatch(schema)
    return found["target"] if found else schema


def environment(audit: Audit, schemas: Iterable[str]) -> dict[str, str]:
    """Return the variables a command needs to write ``schemas`` in their shadows."""
    shadows = {schema: audit.schema(schema) for schema in schemas}
    single = {f"LAKEHOLD_SCHEMA_{_variable(schema)}": shadow for schema, shadow in shadows.items()}
    return {VARIABLE: json.dumps(shadows, sort_keys=True), **single}


def _variable(schema: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", schema.upper())


def written(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return where to write the table ``schema.table`` (or ``catalog.schema.table``): in its shadow, if it has one."""
    *catalog, schema, table = name.split(".")
    return ".".join([*catalog, redirected(environ).get(schema, schema), table])


def location(warehouse: str, name: str) -> str:
    """Return a new folder for the table ``name``, below its published schema even when ``name`` is in a shadow.

    Spark puts a new table below a folder named after its schema, which would be the shadow's for ever. No two tables
    get the same folder, as in Trino, so that a table never meets the files of an older one of its name.
    """
    *_, schema, table = name.split(".")
    return f"{warehouse.rstrip('/')}/{target_of(schema)}/{table}-{uuid.uuid4().hex}"
