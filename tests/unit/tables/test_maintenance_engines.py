"""The statements maintenance gives to engines."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lakehold.config.platform import LineageAddress
from lakehold.errors import ConflictError, RunFailedError
from lakehold.tables.maintenance_spark import procedure, rewrite
from lakehold.tables.maintenance_trino import analyze, name, optimize, optimize_manifests, planning_probe, scan_probe
from lakehold.tables.policy import Compaction, Policy
from lakehold.tables.state import TableState

STATE = TableState(
    schema="gold",
    table="delays",
    uuid="0",
    location="",
    metadata_location="",
    snapshot_id=1,
    sequence=1,
    order=("day",),
)


def test_trino_is_given_quoted_names() -> None:
    table = name("lakehouse", "gold", 'odd"name')
    assert table == '"lakehouse"."gold"."odd""name"'
    assert optimize(table, 96) == f"ALTER TABLE {table} EXECUTE optimize(file_size_threshold => '96B')"
    assert optimize_manifests(table).endswith("EXECUTE optimize_manifests")
    assert analyze(table) == f"ANALYZE {table}"
    assert planning_probe(table).endswith("""WHERE "$path" = ''""")
    assert 'checksum("a ""b""")' in scan_probe(table, 'a "b"')


def test_spark_sorts_all_files_or_merges_the_small_ones_in_order() -> None:
    policy = Policy(compaction=Compaction(strategy="zorder", order=("origin", "dest")))
    whole = procedure("lakehouse", "sort", STATE, policy)
    assert whole.startswith("CALL `lakehouse`.system.rewrite_data_files(table => '`gold`.`delays`', strategy => 'sort'")
    assert "sort_order => 'zorder(`origin`, `dest`)'" in whole
    assert "'rewrite-all', 'true'" in whole
    some = procedure("lakehouse", "compact", STATE, Policy(compaction=Compaction(strategy="sort")))
    assert "sort_order => '`day`'" in some
    assert "rewrite-all" not in some
    assert "'min-input-files', '5'" in some


def test_spark_merges_delete_files_without_the_data() -> None:
    call = procedure("lakehouse", "deletes", STATE, Policy())
    assert call == (
        "CALL `lakehouse`.system.rewrite_position_delete_files(table => '`gold`.`delays`', "
        "options => map('min-input-files', '2'))"
    )


SPARK: Any = SimpleNamespace(
    trino=SimpleNamespace(catalog="lakehouse"),
    pythons={"engine": "/python"},
    spark_properties="",
    spark_java_home="",
    work="",
    lineage=LineageAddress(url="http://127.0.0.1:9", namespace="lakehold", token=""),
)


@pytest.fixture
def spark(tmp_path: Path) -> Any:
    return SimpleNamespace(**{**vars(SPARK), "work": str(tmp_path)})


def test_a_spark_that_takes_too_long_fails_one_table_only(monkeypatch: pytest.MonkeyPatch, spark: Any) -> None:
    def run(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RunFailedError, match=r"did not finish gold\.delays within 120 s"):
        rewrite(spark, "sort", STATE, Policy(), 5)


def test_a_conflict_is_found_in_however_long_a_trace(monkeypatch: pytest.MonkeyPatch, spark: Any) -> None:
    told = "org.apache.iceberg.exceptions.CommitFailedException: moved\n" + "\tat somewhere\n" * 500
    ended = subprocess.CompletedProcess([], 1, stdout="", stderr=told)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(ConflictError):
        rewrite(spark, "sort", STATE, Policy(), 5)


def test_nobody_waits_for_lineage_and_what_it_does_not_take_is_left_for_later(
    monkeypatch: pytest.MonkeyPatch, spark: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, str] = {}

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        pairs = [command[place + 1] for place, part in enumerate(command) if part == "--conf"]
        given.update(pair.split("=", 1) for pair in pairs)
        Path(given["spark.openlineage.transport.location"]).write_text('{"eventType": "COMPLETE"}\n')
        return subprocess.CompletedProcess([], 0, stdout="", stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    rewrite(spark, "sort", STATE, Policy(), 5)
    assert given["spark.openlineage.transport.type"] == "file"
    (left,) = (Path(spark.work) / "lineage").iterdir()
    assert left.name.endswith(".left.jsonl")
    assert "the lineage service does not take events now" in capfd.readouterr().err
