"""Worn tables made well by Trino and Spark: what is left of them, what a reader notices, and what is on record."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
import time
from typing import Any

import pytest
from trino.exceptions import TrinoUserError

pytestmark = pytest.mark.component

SUM = "SELECT count(*), sum(id) FROM "


@pytest.fixture(scope="module", autouse=True)
def engines(lakehouse: Any) -> None:
    """Trino runs; Spark is started by what needs it."""
    for name in ("trino", "spark"):
        lakehouse.lab.start(name)


class Reader(threading.Thread):
    """Asks the same question until it is stopped; keeps every answer and error."""

    def __init__(self, lakehouse: Any, statement: str) -> None:
        super().__init__()
        self._lakehouse, self._statement = lakehouse, statement
        self._over = threading.Event()
        self.answers: list[Any] = []
        self.errors: list[str] = []

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self.answers.append(self._lakehouse.query(self._statement))
            except Exception as error:  # noqa: BLE001 - whatever a reader meets is what the test is about
                self.errors.append(str(error))

    def stop(self) -> None:
        self._over.set()
        self.join()


def test_a_worn_table_is_made_well_and_its_record_says_so(lakehouse: Any) -> None:
    table = "bronze.worn"
    lakehouse.part("worn", table, 60)
    lakehouse.query(f"DELETE FROM {table} WHERE id % 10 = 3")
    before = lakehouse.query(SUM + table)
    lakehouse.policy(snapshots={"most": 10}, statistics={"rows": 10})
    planned = [action["kind"] for action in lakehouse.plan(table)["actions"]]
    assert planned[0] == "compact"
    assert planned[-2:] == ["expire", "analyze"]
    told = lakehouse.verb("maintain", table)
    # Trino computes statistics of what it writes: after the compaction there is nothing left to analyze.
    did = [line.split()[1] for line in told.splitlines() if line.startswith(table)]
    assert did[0] == "compact"
    assert did[-1] == "expire"
    state = lakehouse.part("state", table, {})
    assert (state["files"], state["delete_files"], state["rows"], len(state["snapshots"])) == (1, 0, 54, 10)
    assert state["dead_manifests"] == 0
    assert state["rows_unanalyzed"] is not None
    assert lakehouse.query(SUM + table) == before
    assert "nothing to do" in lakehouse.verb("maintain", table)
    whole = next(row for row in lakehouse.part("records", table) if row["action"] == "all")
    assert (whole["files_before"], whole["files_after"], whole["delete_files_before"]) == (60, 1, 6)
    # How much faster is for bench/maintenance.py to say, on more files than these.
    assert all(whole[f"{what}_ms_{when}"] > 0 for what in ("planning", "scan") for when in ("before", "after"))
    assert lakehouse.query(f"SELECT count(*) FROM ops.table_maintenance WHERE table_name = '{table}'")[0][0] >= 5


def test_a_run_can_be_taken_back_after_a_compaction_and_all_that_follows(lakehouse: Any) -> None:
    table = "marts.compacted"
    lakehouse.part("worn", table, 12)
    group = ("--run", "day/1", "--group", "marts")
    (name,) = re.findall(r"marts -> (\S+)", lakehouse.publication("clone", *group, "--schema", "marts"))
    lakehouse.part("append", f"{name}.compacted", 12, 1)
    lakehouse.publication("publish", *group)
    lakehouse.policy(compaction={"least": 2}, manifests={"dead": 1})
    told = lakehouse.verb("maintain", table)
    assert re.search(r"compact \(trino\) +done", told), told
    assert re.search(r"prune \(pyiceberg\) +done", told), told
    lakehouse.publication("rollback", "day/1")
    assert lakehouse.query(SUM + table) == [[12, sum(range(12))]]


def test_what_pyiceberg_wrote_is_analyzed(lakehouse: Any) -> None:
    table = "bronze.unknown"
    lakehouse.part("worn", table, 3)
    lakehouse.policy(statistics={"rows": 1})
    assert "analyze (trino)" in lakehouse.verb("maintain", table)
    assert lakehouse.part("state", table, {})["rows_unanalyzed"] == 0
    assert "nothing to do" in lakehouse.verb("maintain", table)
    (distinct,) = [row[2] for row in lakehouse.query(f"SHOW STATS FOR {table}") if row[0] == "id"]
    assert distinct == 3


def test_killed_while_a_reader_reads(lakehouse: Any) -> None:
    table = "bronze.read"
    lakehouse.part("worn", table, 20)
    lakehouse.policy(
        compaction={"least": 2},
        manifests={"least": 2},
        snapshots={"keep": "0s", "most": 1, "excess": 1, "readers": "1h"},
    )
    reader = Reader(lakehouse, SUM + table)
    expected = lakehouse.query(SUM + table)
    reader.start()
    chance = random.Random(7)  # noqa: S311 - the moments need not be secret
    try:
        for _ in range(4):
            run = lakehouse.start("-m", "lakehold.tables.maintenance", "maintain", table)
            time.sleep(1.5 + 2.5 * chance.random())
            os.kill(run.pid, signal.SIGKILL)
            run.communicate()
        assert "failed" not in lakehouse.verb("maintain", table)
    finally:
        reader.stop()
    assert reader.errors == []
    assert len(reader.answers) > 10
    assert all(answer == expected for answer in reader.answers)
    assert lakehouse.part("state", table, {})["files"] == 1
    assert "nothing to do" in lakehouse.verb("maintain", table)


def test_a_compaction_that_another_commit_overtakes_loses_nothing(lakehouse: Any) -> None:
    table = "bronze.busy"
    lakehouse.part("worn", table, 20)
    lakehouse.policy(compaction={"least": 2})
    run = lakehouse.start("-m", "lakehold.tables.maintenance", "maintain", table)
    first = 20
    while run.poll() is None:
        lakehouse.part("append", table, first, 1)
        first += 1
    out, err = run.communicate()
    assert run.returncode == 0, out + err
    assert lakehouse.part("ids", table, None) == list(range(first))


def test_spark_sorts_across_files(lakehouse: Any) -> None:
    table = "bronze.unsorted"
    lakehouse.query(
        f"CREATE TABLE {table} AS SELECT orderkey AS id, comment FROM tpch.tiny.orders WHERE orderkey % 2 = 0"
    )
    lakehouse.query(f"INSERT INTO {table} SELECT orderkey, comment FROM tpch.tiny.orders WHERE orderkey % 2 = 1")
    before = lakehouse.query(SUM + table)
    policy = {"target": "100KB", "strategy": "sort", "order": ["id"]}
    lakehouse.policy(compaction=policy, statistics={"rows": 10**9})
    worn = lakehouse.plan(table)
    assert worn["overlap"] == 1
    assert [(action["kind"], action["engine"]) for action in worn["actions"]] == [("sort", "spark")]
    lakehouse.verb("maintain", table)
    state = lakehouse.part("state", table, {"compaction": policy})
    assert state["files"] >= 2
    assert state["overlap"] == 0
    assert lakehouse.query(SUM + table) == before
    assert "nothing to do" in lakehouse.verb("maintain", table)


def test_spark_interleaves_columns(lakehouse: Any) -> None:
    table = "bronze.crossed"
    # Two columns of the same range: the bits that are interleaved are those of the numbers as they are.
    orders = "SELECT custkey, orderkey * 7 % 1499 AS id, comment FROM tpch.tiny.orders WHERE orderkey % 2 ="
    lakehouse.query(f"CREATE TABLE {table} AS {orders} 0")
    lakehouse.query(f"INSERT INTO {table} {orders} 1")
    before = lakehouse.query(SUM + table)
    policy = {"target": "60KB", "strategy": "zorder", "order": ["custkey", "id"]}
    lakehouse.part("by_spark", table, "sort", {"compaction": policy})
    metrics = [json.loads(row[0]) for row in lakehouse.query('SELECT readable_metrics FROM bronze."crossed$files"')]
    assert len(metrics) >= 4
    for column in ("custkey", "id"):
        # Sorted by one column, each file would have nearly all of the other.
        lows, highs = ([metric[column][f"{side}_bound"] for metric in metrics] for side in ("lower", "upper"))
        spans = [high - low for low, high in zip(lows, highs, strict=True)]
        assert sum(spans) / len(spans) < 0.75 * (max(highs) - min(lows)), (column, spans)
    assert lakehouse.query(SUM + table) == before


def test_spark_merges_delete_files_and_leaves_the_data(lakehouse: Any) -> None:
    table = "bronze.thinned"
    lakehouse.query(f"CREATE TABLE {table} AS SELECT orderkey AS id FROM tpch.tiny.orders")
    for key in (1, 2, 3, 4):
        lakehouse.query(f"DELETE FROM {table} WHERE id = {key}")
    before, data = lakehouse.query(SUM + table), lakehouse.part("state", table, {})
    assert data["delete_files"] == 4
    lakehouse.part("by_spark", table, "deletes", {})
    after = lakehouse.part("state", table, {})
    assert (after["delete_files"], after["delete_rows"], after["files"]) == (1, 4, data["files"])
    assert lakehouse.query(SUM + table) == before


def test_the_user_maintenance_takes_nothing_away(lakehouse: Any) -> None:
    lakehouse.query("CREATE TABLE gold.kept AS SELECT 1 AS id")
    lakehouse.query("ALTER TABLE gold.kept EXECUTE optimize", user="maintenance")
    lakehouse.query("ANALYZE gold.kept", user="maintenance")
    for statement in ("DELETE FROM gold.kept", "DROP TABLE gold.kept", "CREATE TABLE gold.other (id integer)"):
        with pytest.raises(TrinoUserError, match=r"Access Denied|Cannot"):
            lakehouse.query(statement, user="maintenance")
