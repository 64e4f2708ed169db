"""What a window of events says, before it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from lakehold.lineage.event import Name
from lakehold.lineage.graph.take import WHOLE, Gathered

AT = datetime(2013, 1, 1, tzinfo=UTC)
PLACE = ("s3://lakehouse", "bronze/flights-1")


def columns(name: Name, symlink: str | None = None) -> set[str]:
    """Which columns an input that is named so gets by a schema facet with the column `snapshot_id`."""
    facets: dict[str, Any] = {"schema": {"fields": [{"name": "snapshot_id", "type": "long"}]}}
    if symlink:
        identifier = {"namespace": "hive://lakehouse", "name": symlink, "type": "TABLE"}
        facets |= {"catalog": {"name": "lakehouse"}, "symlinks": {"identifiers": [identifier]}}
    gathered = Gathered("lakehouse")
    dataset = {"namespace": name[0], "name": name[1], "facets": facets}
    gathered.add(AT, None, {"run": {}, "job": {}, "inputs": [dataset]})
    return {column for _, column in gathered.columns}


@pytest.mark.parametrize("suffix", ["refs", "snapshots", "all_data_files", "metadata_log_entries"])
def test_a_metadata_table_s_columns_are_not_its_table_s(suffix: str) -> None:
    assert columns(("lakehouse", f"bronze.flights.{suffix}")) == {WHOLE}
    assert columns(("lakehouse", f"lakehouse.bronze.flights.{suffix}")) == {WHOLE}
    assert columns(("trino://localhost:18443", f"lakehouse.bronze.flights${suffix}")) == {WHOLE}
    assert columns(PLACE, f"bronze.flights.{suffix}") == {WHOLE}


@pytest.mark.parametrize(
    "name", ["bronze.flights", "bronze.refs", "lakehouse.bronze.refs", "bronze.flights.branch_refs"]
)
def test_a_table_s_and_a_branch_s_are(name: str) -> None:
    assert columns(("lakehouse", name)) == {WHOLE, "snapshot_id"}
    assert columns(PLACE, name) == {WHOLE, "snapshot_id"}


def test_a_file_of_such_a_name_is_a_file() -> None:
    assert columns(("s3://landing", "a.b.refs")) == {WHOLE, "snapshot_id"}
