"""Reads a suite's SQL inside an audited group: names of redirected schemas become names of their shadows."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SKIPPED = r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/"
"""String literals and comments: no name in them is one."""
_QUOTED = r'"(?:[^"]|"")*"'
"""Any other name: an apostrophe in it begins no literal."""


def redirect(sql: str, shadows: Mapping[str, str]) -> str:
    """Return ``sql`` with ``schema.`` (or ``"schema".``) of every redirected schema replaced by its shadow's name.

    A name that stands before a dot counts wherever it is, so a query must not use a schema's name as an alias. A
    qualified ``catalog.schema.table`` is found as well; a field of the same name further right is not.
    """
    if not shadows:
        return sql
    names = "|".join(re.escape(name) for name in sorted(shadows, key=len, reverse=True))
    pattern = rf'{_SKIPPED}|(?<![\w$"])(?:"(?P<quoted>{names})"|(?P<bare>{names}))(?=\s*\.)|{_QUOTED}'

    def replaced(found: re.Match[str]) -> str:
        name = found["quoted"] or found["bare"]
        if name is None:
            return found[0]
        return f'"{shadows[name.lower()]}"'

    return re.sub(pattern, replaced, sql, flags=re.DOTALL | re.IGNORECASE)
