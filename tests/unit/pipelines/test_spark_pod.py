"""The command of a Spark container, from what Spark gives its pods."""

from __future__ import annotations

from pathlib import Path

import pytest
from lakehold.errors import ConfigError
from lakehold.pipelines import spark_pod

HOME = Path("/spark")
EXECUTOR = {
    "JAVA_HOME": "/java",
    "SPARK_EXECUTOR_MEMORY": "1g",
    "SPARK_DRIVER_URL": "spark://driver:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.3",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "job-exec-3",
}


def test_an_executor_is_java_with_what_the_driver_gave() -> None:
    more = {f"SPARK_JAVA_OPT_{number}": f"-Dn={number}" for number in (10, 2, 0)}
    more |= {"SPARK_CLASSPATH": "/iceberg.jar", "SPARK_EXTRA_CLASSPATH": "/a.jar"}
    assert spark_pod.executor(EXECUTOR | more, HOME, "/work") == [
        "/java/bin/java",
        *("-Dn=0", "-Dn=2", "-Dn=10", "-Xms1g", "-Xmx1g"),
        *("-cp", "/spark/conf:/iceberg.jar:/spark/jars/*:/a.jar:/work"),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *("--driver-url", "spark://driver:7078"),
        *("--executor-id", "3"),
        *("--cores", "2"),
        *("--app-id", "spark-1"),
        *("--hostname", "10.0.0.3"),
        *("--resourceProfileId", "0"),
        *("--podName", "job-exec-3"),
    ]


def test_a_container_that_spark_did_not_make_says_so() -> None:
    with pytest.raises(ConfigError, match="SPARK_DRIVER_URL"):
        spark_pod.executor({**EXECUTOR, "SPARK_DRIVER_URL": ""}, HOME, "/work")


def test_a_driver_binds_to_its_pod() -> None:
    found = spark_pod.driver({"SPARK_DRIVER_BIND_ADDRESS": "10.0.0.2"}, ["--class", "X", "local:///job.py"])
    assert found == [
        *("--conf", "spark.driver.bindAddress=10.0.0.2"),
        *("--conf", "spark.executorEnv.SPARK_DRIVER_POD_IP=10.0.0.2"),
        *("--deploy-mode", "client", "--class", "X", "local:///job.py"),
    ]


def test_the_command_of_a_driver_is_what_the_launcher_prints() -> None:
    assert spark_pod.printed("a warning\n\0\njava\0-cp\0/a b\0\0") == ["java", "-cp", "/a b", ""]
    assert spark_pod.launcher(EXECUTOR, HOME, ["x"])[-2:] == ["org.apache.spark.deploy.SparkSubmit", "x"]


@pytest.mark.parametrize("output", ["", "Error occurred during initialization of VM\n", "\0\n"])
def test_a_launcher_that_prints_no_command_is_an_error(output: str) -> None:
    with pytest.raises(ConfigError, match="no command"):
        spark_pod.printed(output)
