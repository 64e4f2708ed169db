"""Clone, write, publish and take back on Iceberg's REST server, with pyiceberg as the engine."""

from __future__ import annotations

from typing import Any

import pytest
from lakehold.tables.shadow import Audit, tag_of

pytestmark = pytest.mark.component


def of(audit: Audit) -> list[str]:
    return ["--run", audit.run, "--group", audit.group]


@pytest.fixture
def lake(outside: Any, request: pytest.FixtureRequest) -> Any:
    """The outside catalog, with a schema of the test's own: ``lake.schema``."""
    outside.schema = request.node.name.removeprefix("test_")[:40]
    outside.part("make_schema", outside.schema)
    outside.lab.gateway.transactions.clear()
    return outside


def test_a_run_is_seen_whole_or_not_at_all(lake: Any) -> None:
    audit, schema = Audit("daily/one", "gold"), lake.schema
    a, b, c, new = (f"{schema}.{name}" for name in ("a", "b", "c", "new"))
    lake.part("write", {"run": "zero", "tables": [a, b, c], "numbers": [1]})
    lake.verb("clone", *of(audit), "--schema", schema)
    shadow = audit.schema(schema)
    lake.part("write", {"run": "one", "tables": [f"{shadow}.{t}" for t in ("a", "b", "new")], "numbers": [2, 3]})
    before = lake.part("read", {"tables": [a, b, c, new]})
    assert before == {name: [["zero", 1]] for name in (a, b, c)} | {new: "NoSuchTableError"}
    assert f"published {new}" in lake.verb("publish", *of(audit))
    after = [["one", 2], ["one", 3], ["zero", 1]]
    expected = {a: after, b: after, c: [["zero", 1]], new: after[:2]}
    assert lake.part("read", {"tables": list(expected)}) == expected
    assert lake.part("read", {"tables": list(expected), "tag": tag_of(audit.run)}) == expected
    assert "published already" in lake.verb("publish", *of(audit))
    assert lake.part("schemas", schema) == [schema]
    (sent,) = lake.lab.gateway.transactions
    assert [change["identifier"]["name"] for change in sent["table-changes"]] == ["a", "b", "c", "new"]
    back = lake.verb("rollback", audit.run)
    assert lake.part("read", {"tables": list(before)}) == before, back
