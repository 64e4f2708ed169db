from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from lakehold.components import spark
from lakehold.components.model import Executors, Pods, Site
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


EXECUTORS = Executors(
    count=3,
    cores=2,
    heap="2g",
    overhead="512m",
    cpu_request="500m",
    cpu_limit="2",
    account="demo",
    template=Path("/given/executor.yaml"),
)


def in_pods(site: Site, executors: Executors | None) -> dict[str, str]:
    pods = Pods(namespace="lake", template=Path("/given/task.yaml"), executors=executors)
    return spark.driver_properties(dataclasses.replace(site, pods=pods))


def test_without_executors_a_pod_does_what_a_machine_does(installation: Site) -> None:
    assert in_pods(installation, None) == spark.properties(installation)


def test_executors_are_pods_of_this_namespace_made_from_the_charts_template(installation: Site) -> None:
    values = in_pods(installation, EXECUTORS)
    assert values["spark.master"] == "k8s://https://kubernetes.default.svc"
    assert values["spark.kubernetes.namespace"] == "lake"
    assert {values[f"spark.kubernetes.driver.{what}Timeout"] for what in ("request", "connection")} == {"60000"}
    assert values["spark.kubernetes.executor.podTemplateFile"] == "/given/executor.yaml"
    assert (values["spark.executor.instances"], values["spark.sql.shuffle.partitions"]) == ("3", "6")
    assert (values["spark.driver.port"], values["spark.blockManager.port"]) == ("7078", "7079")


def test_the_account_of_a_driver_needs_no_right_but_to_pods(installation: Site) -> None:
    values = in_pods(installation, EXECUTORS)
    assert values["spark.kubernetes.executor.disableConfigMap"] == "true"
    assert values["spark.kubernetes.driver.service.deleteOnTermination"] == "false"
    assert values["spark.kubernetes.driver.ownPersistentVolumeClaim"] == "false"


def test_an_executor_is_not_given_a_secret_by_its_pod(installation: Site) -> None:
    """What is named after an environment variable or a Java option of an executor can be read in its pod."""
    values = in_pods(installation, EXECUTORS)
    assert not [key for key in values if key.startswith(("spark.executorEnv.", "spark.kubernetes.executor.secret"))]
    assert not {"one", "two", "three"} & set(values["spark.executor.extraJavaOptions"].split("="))
    assert values["spark.authenticate"] == "true"
