"""Names as OpenMetadata has them: fully qualified, quoted where a part holds a dot, and links to parts of entities."""

from __future__ import annotations

import hashlib

_MOST = 256
"""Most characters of an entity's name (``entityName`` of its schemas)."""


def fqn(*parts: str) -> str:
    """Return the fully qualified name of parts; a part with a dot or a quote in it is quoted."""
    return ".".join(_quoted(part) for part in parts)


def _quoted(part: str) -> str:
    if "." not in part and '"' not in part:
        return part
    return '"' + part.replace('"', '\\"') + '"'


def fit(name: str) -> str:
    """Return a name OpenMetadata takes: no ``::``, no NUL, at most 256 characters, still one name per name."""
    clean = name.replace("\x00", "\N{REPLACEMENT CHARACTER}").replace("::", ":\N{MODIFIER LETTER COLON}")
    if len(clean) <= _MOST:
        return clean
    return f"{clean[: _MOST - 17]}~{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def text(value: str, most: int = 100_000) -> str:
    """Return text OpenMetadata can store: without NUL, which is a 500, and not longer than a page can show."""
    clean = value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def link(table: str, column: str = "") -> str:
    """Return the link to a table (its fully qualified name), or to a column of it (its plain name)."""
    return f"<#E::table::{table}::columns::{column}>" if column else f"<#E::table::{table}>"
