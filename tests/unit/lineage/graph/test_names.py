from typing import Any

import pytest
from lakehold.lineage.graph import names
from lakehold.lineage.model import Table

FLIGHTS = Table("lakehouse", "bronze.flights")


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("trino://trino.example:8443", "lakehouse.bronze.flights", FLIGHTS),
        ("trino://trino.example:8443", "lakehouse.bronze__audit_0123456789.flights", FLIGHTS),
        ("trino://trino.example:8443", "lakehouse.bronze.flights$snapshots", FLIGHTS),
        ("trino://trino.example:8443", "tpch.tiny.nation", Table("tpch", "tiny.nation")),
        ("lakehouse", "bronze.flights", FLIGHTS),
        ("lakehouse", "lakehouse.bronze.flights", FLIGHTS),
        ("lakehouse", "bronze.flights.branch_audit", FLIGHTS),
        ("lakehouse", "bronze.flights.tag_run_7", FLIGHTS),
        ("lakehouse", "bronze.flights.all_data_files", FLIGHTS),
        ("lakehouse", "bronze.flights.refs", FLIGHTS),
        ("s3a://landing", "/flights/2013-01-01.csv", Table("s3://landing", "flights/2013-01-01.csv")),
        ("s3://landing", "flights/", Table("s3://landing", "flights")),
        ("s3://landing", "flights/*.csv", Table("s3://landing", "flights")),
        ("s3://landing", "flights/{2013,2014}/x.csv", Table("s3://landing", "flights")),
        ("s3://landing/flights", "2013-01-01.csv", Table("s3://landing", "flights/2013-01-01.csv")),
        ("kafka://broker", "delays", Table("kafka://broker", "delays")),
    ],
)
def test_one_name_per_dataset(namespace: str, name: str, expected: Table) -> None:
    assert names.canonical(namespace, name, "lakehouse") == expected


def spark_dataset(**facets: Any) -> dict[str, Any]:
    return {"namespace": "s3://warehouse", "name": "bronze/flights-1f", "facets": facets}


def symlink(namespace: str, name: str, kind: str = "TABLE") -> dict[str, Any]:
    return {"identifiers": [{"namespace": namespace, "name": name, "type": kind}]}


@pytest.mark.parametrize("name", ["bronze.flights", "bronze__audit_0123456789.flights", "lakehouse.bronze.flights"])
def test_spark_names_its_table_in_a_symlink(name: str) -> None:
    dataset = spark_dataset(catalog={"name": "lakehouse"}, symlinks=symlink("hive://warehouse", name))
    assert names.by_symlink(dataset, "lakehouse") == FLIGHTS


def test_a_symlink_without_the_catalog_facet_counts_when_its_namespace_is_the_catalog() -> None:
    assert names.by_symlink(spark_dataset(symlinks=symlink("hive://lakehouse", "bronze.flights")), "lakehouse")
    assert names.by_symlink(spark_dataset(symlinks=symlink("hive://other", "bronze.flights")), "lakehouse") is None


@pytest.mark.parametrize(
    "facets",
    [
        {},
        {"symlinks": None},
        {"symlinks": {"identifiers": "bronze.flights"}},
        {"symlinks": {"identifiers": [None, 7, {"type": "TABLE"}]}, "catalog": {"name": "lakehouse"}},
        {"symlinks": symlink("x", "bronze.flights", "LOCATION"), "catalog": {"name": "lakehouse"}},
        {"symlinks": symlink("x", "bronze.flights"), "catalog": {"name": "another"}},
    ],
)
def test_what_says_nothing_of_our_catalog_is_no_table_of_it(facets: dict[str, Any]) -> None:
    assert names.by_symlink(spark_dataset(**facets), "lakehouse") is None


def test_a_known_place_is_its_table_for_whoever_names_it() -> None:
    resolve = names.Resolver("lakehouse", {"s3://warehouse/bronze/flights-1f": FLIGHTS})
    assert resolve("s3a://warehouse", "bronze/flights-1f/") == FLIGHTS
    assert resolve("s3://warehouse/bronze", "flights-1f") == FLIGHTS
    assert resolve("s3://warehouse", "bronze/planes-2e") == Table("s3://warehouse", "bronze/planes-2e")


def test_kinds() -> None:
    assert names.kind_of(FLIGHTS, "lakehouse") == "table"
    assert names.kind_of(Table("s3://landing", "flights"), "lakehouse") == "file"
    assert names.kind_of(Table("kafka://broker", "delays"), "lakehouse") == "other"
