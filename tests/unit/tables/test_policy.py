"""The policy file: what is merged, and what is refused by its path."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lakehold.errors import ConfigError
from lakehold.tables.policy import Budget, Policy, PolicyFile, load
from pydantic import BaseModel

ROOT = Path(__file__).parents[3]

WRITTEN = """
budget: {seconds: 600, bytes: 50GB}
defaults:
  snapshots: {keep: 3d}
schemas:
  bronze:
    compaction: {target: 64MB, least: 10}
tables:
  bronze.flights:
    compaction: {strategy: sort, order: [flight_date]}
  gold.delays: {enabled: false}
"""


def test_a_tables_policy_is_defaults_then_schema_then_its_own(tmp_path: Path) -> None:
    (tmp_path / "maintenance.yml").write_text(WRITTEN, encoding="utf-8")
    file = load(tmp_path)
    assert (file.budget.seconds, file.budget.bytes) == (600, 50 * 10**9)
    flights = file.of("bronze", "flights")
    assert flights.snapshots.keep == timedelta(days=3)
    assert (flights.compaction.target, flights.compaction.least) == (64_000_000, 10)
    assert (flights.compaction.strategy, flights.compaction.order) == ("sort", ("flight_date",))
    assert file.of("bronze", "other").compaction.strategy == "binpack"
    assert not file.of("gold", "delays").enabled
    assert file.of("gold", "other").snapshots.keep == timedelta(days=3)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path).of("gold", "delays") == Policy()
    (tmp_path / "maintenance.yml").write_text("# nothing yet\n", encoding="utf-8")
    assert load(tmp_path).of("gold", "delays") == Policy()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"default": {}}, 'default: unknown key, did you mean "defaults"?'),
        ({"defaults": {"snapshot": {}}}, 'defaults.snapshot: unknown key, did you mean "snapshots"?'),
        (
            {"tables": {"gold.delays": {"snapshots": {"keeep": "1d"}}}},
            'tables.gold.delays.snapshots.keeep: unknown key, did you mean "keep"?',
        ),
        ({"schemas": {"gold": {"orphans": {"older": "1h"}}}}, "schemas.gold.orphans.older: "),
        ({"defaults": {"snapshots": {"keep": "soon"}}}, "'soon' is no duration"),
        ({"defaults": {"compaction": {"target": "big"}}}, "'big' is no size"),
        ({"defaults": {"compaction": {"strategy": "hilbert"}}}, "defaults.compaction.strategy: "),
        ({"tables": {"delays": {}}}, "tables.delays: expected schema.table"),
        ({"budget": {"hours": 1}}, "budget.hours: unknown key"),
        ({"schemas": ["gold"]}, "schemas: expected a mapping"),
    ],
)
def test_a_mistake_is_told_with_its_path(raw: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PolicyFile(raw)
    assert told in str(caught.value)
    assert "docs/reference/maintenance.md" in caught.value.remedy or "correct" in caught.value.remedy


def test_what_is_not_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "maintenance.yml").write_text("defaults: [", encoding="utf-8")
    with pytest.raises(ConfigError):
        load(tmp_path)
    (tmp_path / "maintenance.yml").write_text("- defaults", encoding="utf-8")
    with pytest.raises(ConfigError):
        load(tmp_path)


def shown(value: Any) -> str:
    """A default as it is written in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        hours = int(value.total_seconds() // 3600)
        return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"
    if isinstance(value, int) and value >= 10**6:
        return f"{value // 10**6}MB" if value < 10**9 else f"{value // 10**9}GB"
    return "`[]`" if value == () else str(value)


def rows(model: type[BaseModel] = Policy, prefix: str = "") -> Iterator[str]:
    """One row of the reference page per key."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from rows(kind, f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | `{shown(field.default).strip('`')}` | {field.description} |"


def test_the_reference_page_lists_every_key() -> None:
    page = (ROOT / "docs" / "reference" / "maintenance.md").read_text(encoding="utf-8").splitlines()
    expected = [*rows(Budget, "budget."), *rows()]
    keys = {row.split(" | ")[0] for row in expected}
    assert [line for line in page if line.split(" | ")[0] in keys] == expected


def test_the_policy_file_that_comes_with_lakehold_is_valid() -> None:
    assert load(ROOT).of("ops", "table_maintenance").snapshots.most == 20
