"""The models of a dbt project and what each reads, from the files alone: dbt's parser takes seconds for that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_REF = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*(?:,\s*['"](\w+)['"]\s*)?(?:,[^)]*)?\)""")


def references(sql: str) -> set[str]:
    """Return the names in ``ref('name')`` and ``ref('package', 'name')``."""
    return {second or first for first, second in _REF.findall(_COMMENT.sub("", sql))}


def model_graph(project: Path) -> Mapping[str, frozenset[str]]:
    """Return node → the nodes it reads, for every model, snapshot and seed below ``project``.

    Python models are read the same way: ``dbt.ref("name")``. Sources are left out, they are not built.
    """
    sources = {
        path.stem: references(path.read_text(encoding="utf-8"))
        for folder in ("models", "snapshots")
        for pattern in ("*.sql", "*.py")
        for path in sorted((project / folder).rglob(pattern))
    }
    seeds: dict[str, set[str]] = {path.stem: set() for path in sorted((project / "seeds").rglob("*.csv"))}
    nodes = seeds | sources
    return {name: frozenset(parents & nodes.keys()) for name, parents in nodes.items()}
