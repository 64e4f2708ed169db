"""The platform answers SQL, as a user asks it."""

from __future__ import annotations

import json

from running_platform import RunningPlatform


def test_a_query_is_answered_in_every_format(platform: RunningPlatform) -> None:
    statement = "select sum(a) as total from (values 1, 2, 39) as t(a)"
    assert platform.lakehold("sql", "--format", "csv", "--user", "admin", statement).stdout == "total\n42\n"
    answer = platform.lakehold("sql", "--format", "json", statement).stdout
    assert json.loads(answer) == {"total": 42}  # one object a line
    assert "42" in platform.lakehold("sql", statement).stdout


def test_a_table_written_in_the_catalog_is_read_back(platform: RunningPlatform) -> None:
    platform.sql("create table lakehouse.ops.thin_path as select 7 as a, 'seven' as b")
    try:
        assert platform.sql("select a, b from lakehouse.ops.thin_path") == [{"a": "7", "b": "seven"}]
    finally:
        platform.sql("drop table lakehouse.ops.thin_path")


def test_a_wrong_statement_says_why_and_exits_with_7(platform: RunningPlatform) -> None:
    done = platform.lakehold("sql", "select nothing from lakehouse.gold.nowhere", check=False)
    assert done.returncode == 7
    assert "nowhere" in done.stderr


def test_up_again_changes_nothing(platform: RunningPlatform) -> None:
    before = {process["process"]: process["pid"] for process in platform.status()}
    platform.lakehold("up")
    assert {process["process"]: process["pid"] for process in platform.status()} == before
