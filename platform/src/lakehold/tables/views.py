"""Views between a schema and its shadow: their SQL with the schema's name replaced, as pure functions on their JSON.

A view in a shadow reads the shadow's tables, or a gate on it would judge what is published already. On the way there
the name to replace is an ordinary word, so only what can be nothing but the schema's name is replaced; on the way back
it is the shadow's, which nothing else is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lakehold.errors import DataError

Metadata = dict[str, Any]

_TOKEN = re.compile(
    r"""
      (?P<skip> '(?:[^']|'')*' | --[^\n]* | /\*.*?\*/ | \s+ )
    | "(?P<quoted> (?:[^"]|"")* )"
    | `(?P<ticked> [^`]* )`
    | (?P<word> [^\W\d]\w* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def rewritten(view: Metadata, renamed: Mapping[str, str], catalog: str) -> Metadata:
    """Return the view's metadata with the schemas ``renamed`` (old → new) in its SQL and its default schema.

    Raises :class:`DataError` when nobody can say what a name in its current SQL means.
    """
    current = view.get("current-version-id")
    versions = [_version(version, renamed, catalog, current) for version in view["versions"]]
    return {**view, "versions": versions}


def _version(version: dict[str, Any], renamed: Mapping[str, str], catalog: str, current: object) -> dict[str, Any]:
    is_current = version["version-id"] == current
    representations = [
        {**each, "sql": sql(each["sql"], renamed, catalog, strict=is_current)} if "sql" in each else each
        for each in version["representations"]
    ]
    default = [renamed.get(level, level) for level in version.get("default-namespace", [])]
    return {**version, "representations": representations, "default-namespace": default}


def sql(text: str, renamed: Mapping[str, str], catalog: str, *, strict: bool = False) -> str:
    """Return the statement with the schemas' names replaced wherever they qualify a table.

    ``gold.delays`` is replaced after the catalog's name always, otherwise only if no table or column of the statement
    is called ``gold`` itself. If one is, and ``FROM gold.delays`` may mean the schema, ``strict`` refuses to guess:
    a gate on the view would judge what readers see already.
    """
    tokens = list(_TOKEN.finditer(text))
    meaningful = [index for index, token in enumerate(tokens) if token["skip"] is None]
    names = {index: _name(tokens[index]) for index in meaningful}
    order = {index: position for position, index in enumerate(meaningful)}

    def beside(index: int, step: int) -> int | None:
        position = order[index] + step
        return meaningful[position] if 0 <= position < len(meaningful) else None

    def text_at(index: int | None) -> str:
        return "" if index is None else tokens[index].group()

    def qualifies(index: int) -> bool:
        return text_at(beside(index, 1)) == "."

    called = {names[index] for index in meaningful if names[index] in renamed and not qualifies(index)}
    parts = []
    for index, token in enumerate(tokens):
        new = renamed.get(names.get(index) or "")
        if new is None or not qualifies(index):
            parts.append(token.group())
            continue
        after_dot = text_at(beside(index, -1)) == "."
        owner = beside(index, -2) if after_dot else None
        of_catalog = owner is not None and names[owner] == catalog
        wanted = of_catalog if after_dot else names[index] not in called
        if strict and not after_dot and not wanted and text_at(beside(index, -1)).lower() in ("from", "join"):
            raise _ambiguous(text, str(names[index]), catalog)
        parts.append(_quoted(token, new) if wanted else token.group())
    return "".join(parts)


def says(view: Metadata) -> object:
    """Return what a view means: its statements and the schema their names are looked up in."""
    (version,) = (one for one in view["versions"] if one["version-id"] == view["current-version-id"])
    return version["representations"], version.get("default-namespace"), version.get("default-catalog")


def _name(token: re.Match[str]) -> str | None:
    """Return the identifier a token is, as catalogs spell it; ``None`` for anything else."""
    if token["quoted"] is not None:
        return token["quoted"].replace('""', '"')
    if token["ticked"] is not None:
        return token["ticked"]
    return token["word"].lower() if token["word"] else None


def _quoted(token: re.Match[str], name: str) -> str:
    return f'"{name}"' if token["quoted"] is not None else f"`{name}`" if token["ticked"] is not None else name


def _ambiguous(text: str, name: str, catalog: str) -> DataError:
    return DataError(
        f"A view calls something {name}, and reads from {name} as well: whether that is the schema cannot be told.",
        why=f"its SQL is {' '.join(text.split())[:300]}",
        remedy=f"write {catalog}.{name} in the view, or another alias",
    )
