from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from lakehold.components import spark
from lakehold.components.model import Site
from lakehold.config.settings import CatalogSettings, Settings

ARTIFACTS = {name: Path(f"/store/{name}.jar") for name in spark.SPARK.artifacts}


@pytest.fixture
def installation() -> Site:
    return Site(
        settings=Settings(),
        checkout=Path("/c"),
        state=Path("/c/.lakehold"),
        artifacts=ARTIFACTS,
        pythons={},
        ports={"postgres": 1, "objectstore": 2, "lineage": 3},
        secrets={"postgres.spark": "one", "s3.spark": "two", "lineage.token": "three"},
    )


def test_the_listener_never_sees_the_address_of_the_jdbc_catalog(installation: Site) -> None:
    values = spark.properties(installation)
    assert values["spark.sql.catalog.lakehouse.URI"] == "jdbc:postgresql://127.0.0.1:1/catalog"
    assert "spark.sql.catalog.lakehouse.uri" not in values


def test_a_rest_catalog_keeps_its_address(installation: Site) -> None:
    rest = Settings(catalog=CatalogSettings(type="rest", uri="http://outside"))
    values = spark.properties(dataclasses.replace(installation, settings=rest))
    assert values["spark.sql.catalog.lakehouse.uri"] == "http://outside"
    assert "spark.hadoop.hive.metastore.uris" not in values


def test_every_secret_has_a_name_that_spark_hides(installation: Site) -> None:
    import re

    values = spark.properties(installation)
    hidden = re.compile(values["spark.redaction.regex"])
    shown: Mapping[str, str] = {key: value for key, value in values.items() if not hidden.search(key)}
    assert not {"one", "two", "three"} & set(shown.values())


def test_a_properties_file_keeps_backslashes() -> None:
    assert spark.render({"a": r"\s"}) == "a=\\\\s\n"


def test_everything_stays_on_the_installations_address(installation: Site) -> None:
    values = spark.properties(installation)
    assert values["spark.driver.host"] == values["spark.driver.bindAddress"] == "127.0.0.1"
    assert values["spark.ui.enabled"] == "false"


def test_javas_argument_file_keeps_spaces_quotes_and_backslashes() -> None:
    assert spark.argument_file(["-cp", r'/a b/*:C:\x "y"']) == '"-cp"\n"/a b/*:C:\\\\x \\"y\\""\n'


def test_javas_arguments_hold_no_secret_and_spark_comes_last(installation: Site) -> None:
    engine = dataclasses.replace(installation, pythons={"engine": Path("/envs/engine-0123-py3.12/bin/python")})
    arguments = spark.java_arguments(engine)
    assert arguments[1].endswith(":/envs/engine-0123-py3.12/lib/python3.12/site-packages/pyspark/jars/*")
    assert f"-Djava.io.tmpdir={installation.state}/work/tmp" in arguments
    assert not any(secret in " ".join(arguments).split("=") for secret in ("one", "two", "three"))
