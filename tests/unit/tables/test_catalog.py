"""The catalog as each engine is told about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from lakehold.components.model import Site
from lakehold.components.reference import example_site
from lakehold.components.registry import COMPONENTS
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError
from lakehold.tables import bootstrap
from lakehold.tables.catalog import (
    CREDENTIAL,
    TOKEN,
    bundled_store,
    pyiceberg_properties,
    s3_endpoint,
    spark_catalog_conf,
    trino_catalog_properties,
)
from pydantic import ValidationError

SITE = example_site(COMPONENTS)


def with_catalog(secrets: Mapping[str, str] | None = None, **values: str) -> Site:
    settings = Settings.model_validate({"catalog": values})
    return dataclasses.replace(SITE, settings=settings, secrets={**SITE.secrets, **(secrets or {})})


def rest_site(**values: str) -> Site:
    secrets = {CREDENTIAL: "robot:s3:cret", TOKEN: "ey.J"}
    return with_catalog(secrets, type="rest", uri="https://catalog.example/api", **values)


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


def test_a_rest_catalog_may_have_a_name_of_its_own_for_the_warehouse() -> None:
    site = rest_site(rest_warehouse="analytics")
    trino, spark, pyiceberg = trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)
    told = {
        trino["iceberg.rest-catalog.warehouse"],
        spark["spark.sql.catalog.lakehouse.warehouse"],
        pyiceberg["warehouse"],
    }
    assert told == {"analytics"}
    assert pyiceberg_properties(with_catalog(rest_warehouse="analytics"))["warehouse"] == "s3://lakehouse/"


def test_without_a_login_no_engine_is_told_of_one() -> None:
    site = rest_site()
    for values in (trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)):
        assert not [key for key in values if any(word in key for word in ("oauth2", "token", "credential", "auth"))]
        assert "iceberg.rest-catalog.security" not in values


def test_trino_removes_no_orphans() -> None:
    key = "iceberg.remove-orphan-files.min-retention"
    assert trino_catalog_properties(rest_site())[key] == trino_catalog_properties(SITE)[key] == "36500d"


def test_each_engine_logs_in_with_a_credential() -> None:
    site = rest_site(credential_file="c", oauth2_uri="https://login.example/token", oauth2_scope="PRINCIPAL_ROLE:ALL")
    trino, spark, pyiceberg = trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)
    assert {key: value for key, value in trino.items() if "oauth2" in key or "security" in key} == {
        "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.credential": "robot:s3:cret",
        "iceberg.rest-catalog.oauth2.server-uri": "https://login.example/token",
        "iceberg.rest-catalog.oauth2.scope": "PRINCIPAL_ROLE:ALL",
    }
    same = {
        "credential": "robot:s3:cret",
        "oauth2-server-uri": "https://login.example/token",
        "scope": "PRINCIPAL_ROLE:ALL",
    }
    assert {key: pyiceberg[key] for key in same} == same
    assert {key: spark[f"spark.sql.catalog.lakehouse.{key}"] for key in same} == same
    assert spark["spark.sql.catalog.lakehouse.rest.auth.type"] == "oauth2"


def test_each_engine_shows_a_bearer_token() -> None:
    site = rest_site(token_file="t")
    trino, spark, pyiceberg = trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)
    assert trino["iceberg.rest-catalog.security"] == "OAUTH2"
    assert trino["iceberg.rest-catalog.oauth2.token"] == "ey.J"
    assert spark["spark.sql.catalog.lakehouse.token"] == pyiceberg["token"] == "ey.J"
    assert not [key for values in (trino, spark, pyiceberg) for key in values if "credential" in key or "scope" in key]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"token_file": "t"}, 'token_file is for an outside catalog, but type is "jdbc"'),
        ({"type": "rest", "token_file": "t", "credential_file": "c"}, "two ways to log in"),
        ({"type": "rest", "oauth2_scope": "all"}, "set credential_file"),
        ({"type": "rest", "token_file": "t", "oauth2_uri": "https://login.example"}, "set credential_file"),
    ],
)
def test_a_login_that_cannot_be_meant_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        with_catalog(**values)


def test_the_bootstrap_gives_engines_rows_and_not_tables() -> None:
    grants = [statement for statement in bootstrap.statements() if statement.startswith("GRANT")]
    words = " ".join(grants)
    assert all(role in words for role in bootstrap.ROLES)
    assert not [right for right in ("TRUNCATE", "CREATE", "ALL", "REFERENCES", "TRIGGER") if right in words]


def test_an_outside_store_is_told_to_every_engine() -> None:
    keys = {"trino": "AKIA1", "spark": "AKIA2"}
    store = {"endpoint": "https://s3.example", "region": "eu-north-1", "access_keys": keys}
    site = dataclasses.replace(SITE, settings=Settings.model_validate({"s3": store}))
    trino, spark, pyiceberg = trino_catalog_properties(site), spark_catalog_conf(site), pyiceberg_properties(site)
    prefix = "spark.sql.catalog.lakehouse"
    assert trino["s3.endpoint"] == spark[f"{prefix}.s3.endpoint"] == pyiceberg["s3.endpoint"] == "https://s3.example"
    assert trino["s3.region"] == spark[f"{prefix}.client.region"] == pyiceberg["s3.region"] == "eu-north-1"
    assert (trino["s3.aws-access-key"], spark[f"{prefix}.s3.access-key-id"]) == ("AKIA1", "AKIA2")
    # Who has no other access key there has the name it has here.
    assert pyiceberg["s3.access-key-id"] == "engine"
    assert bundled_store(site) != s3_endpoint(site)
    assert bundled_store(SITE) == s3_endpoint(SITE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"endpoint": "https://s3.example", "access_keys": {"trin": "x"}}, "access_keys.trin: nobody of this name"),
        ({"access_keys": {"trino": "x"}}, "set endpoint"),
        ({"region": "eu-north-1"}, "set endpoint"),
        ({"endpoint": "https://me:hush@s3.example"}, "pattern"),
    ],
)
def test_a_store_that_cannot_be_meant_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate({"s3": values})
