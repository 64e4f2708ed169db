"""The statements maintenance gives to engines."""

from __future__ import annotations

from lakehold.tables.maintenance_spark import procedure
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
