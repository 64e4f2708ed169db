"""The policy file: what is merged, and what is refused by its path."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from lakehold.errors import ConfigError
from lakehold.tables.policy import Policy, PolicyFile, load

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
