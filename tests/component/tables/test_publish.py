"""Clone, write, publish and take back on PostgreSQL and a real object store, with pyiceberg as the engine."""

from __future__ import annotations

from typing import Any

import pytest
from lakehold.tables.shadow import Audit, tag_of

pytestmark = pytest.mark.component


def of(audit: Audit) -> list[str]:
    return ["--run", audit.run, "--group", audit.group]


def test_a_run_is_seen_whole_or_not_at_all(fresh: Any) -> None:
    audit = Audit("daily/one", "gold")
    tables = ["gold.a", "gold.b"]
    fresh.part("write", {"run": "zero", "tables": [*tables, "gold.c"], "numbers": [1]})
    fresh.run("clone", *of(audit), "--schema", "gold")
    shadow = audit.schema("gold")
    fresh.part("write", {"run": "one", "tables": [f"{shadow}.a", f"{shadow}.b", f"{shadow}.new"], "numbers": [2, 3]})
    before = fresh.part("read", {"tables": [*tables, "gold.c", "gold.new"]})
    assert before == {name: [["zero", 1]] for name in (*tables, "gold.c")} | {"gold.new": "NoSuchTableError"}
    told = fresh.run("publish", *of(audit))
    assert "published gold.new" in told
    after = [["one", 2], ["one", 3], ["zero", 1]]
    expected = {"gold.a": after, "gold.b": after, "gold.c": [["zero", 1]], "gold.new": after[:2]}
    assert fresh.part("read", {"tables": list(expected)}) == expected
    assert fresh.part("read", {"tables": list(expected), "tag": tag_of(audit.run)}) == expected
    assert "published already" in fresh.run("publish", *of(audit))
    assert fresh.query("SELECT count(*) FROM iceberg_tables WHERE table_namespace <> 'gold'") == [(0,)]
    back = fresh.run("rollback", audit.run)
    assert fresh.part("read", {"tables": list(before)}) == before, back
