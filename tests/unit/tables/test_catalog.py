"""The catalog as each engine is told about it."""

from __future__ import annotations

import dataclasses

import pytest
from lakehold.components.model import Site
from lakehold.components.reference import example_site
from lakehold.components.registry import COMPONENTS
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError
from lakehold.tables import bootstrap
from lakehold.tables.catalog import pyiceberg_properties, spark_catalog_conf, trino_catalog_properties

SITE = example_site(COMPONENTS)


def with_catalog(**values: str) -> Site:
    return dataclasses.replace(SITE, settings=Settings.model_validate({"catalog": values}))


def test_the_name_and_the_warehouse_are_the_same_in_every_engine() -> None:
    site = with_catalog(name="lake", warehouse="s3://elsewhere/wh/")
    trino, spark, pyiceberg = trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)
    assert trino["iceberg.jdbc-catalog.catalog-name"] == pyiceberg["name"] == "lake"
    assert spark["spark.sql.catalog.lake"] == "org.apache.iceberg.spark.SparkCatalog"
    warehouses = {
        trino["iceberg.jdbc-catalog.default-warehouse-dir"],
        spark["spark.sql.catalog.lake.warehouse"],
        pyiceberg["warehouse"],
    }
    assert warehouses == {"s3://elsewhere/wh/"}


def test_each_engine_has_credentials_of_its_own() -> None:
    trino, spark, pyiceberg = trino_catalog_properties(SITE), spark_catalog_conf(SITE), pyiceberg_properties(SITE)
    assert trino["s3.aws-secret-key"] == "SECRET:s3.trino"
    assert spark["spark.sql.catalog.lakehouse.s3.secret-access-key"] == "SECRET:s3.spark"
    assert pyiceberg["s3.secret-access-key"] == "SECRET:s3.engine"
    assert trino["iceberg.jdbc-catalog.connection-password"] == "SECRET:postgres.trino"
    assert spark["spark.sql.catalog.lakehouse.jdbc.password"] == "SECRET:postgres.spark"
    assert "engine:SECRET%3Apostgres.engine@127.0.0.1:15432/catalog" in pyiceberg["uri"]


def test_a_rest_catalog_replaces_the_database_in_every_engine() -> None:
    site = with_catalog(type="rest", uri="https://catalog.example/api")
    trino, spark, pyiceberg = trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)
    assert trino["iceberg.catalog.type"] == spark["spark.sql.catalog.lakehouse.type"] == pyiceberg["type"] == "rest"
    found = {
        trino["iceberg.rest-catalog.uri"],
        spark["spark.sql.catalog.lakehouse.uri"],
        pyiceberg["uri"],
    }
    assert found == {"https://catalog.example/api"}
    assert not [key for values in (trino, spark, pyiceberg) for key in values if "jdbc" in key]
    assert not [
        value for values in (trino, spark, pyiceberg) for value in values.values() if "SECRET:postgres" in value
    ]


def test_a_rest_catalog_without_an_address_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"catalog.uri is not set") as refused:
        trino_catalog_properties(with_catalog(type="rest"))
    assert "[catalog]" in refused.value.remedy


def test_the_bootstrap_gives_engines_rows_and_not_tables() -> None:
    grants = [statement for statement in bootstrap.statements() if statement.startswith("GRANT")]
    words = " ".join(grants)
    assert all(role in words for role in bootstrap.ROLES)
    assert not [right for right in ("TRUNCATE", "CREATE", "ALL", "REFERENCES", "TRIGGER") if right in words]
