from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from lakehold.config.platform import LineageAddress, Platform, S3Address, TrinoAddress
from lakehold.pipelines import spark_submit


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    (tmp_path / "java.args").write_text("-cp\n/jars/*\n-Xmx1g\n")
    (tmp_path / "work" / "spark").mkdir(parents=True)
    return Platform(
        checkout="/c",
        work=str(tmp_path / "work"),
        pythons={"engine": "/env/bin/python"},
        spark_java_home="/java",
        spark_properties=str(tmp_path / "spark-defaults.conf"),
        trino=TrinoAddress(host="", port=0, ca="", catalog="", passwords={}),
        s3=S3Address(endpoint="", region="", keys={}),
        lineage=LineageAddress(url="", namespace="", token=""),
        catalog={},
        publisher="",
    )


def test_without_a_base_archive_a_job_runs_as_ever(platform: Platform) -> None:
    assert spark_submit.archive(platform).flags("job") == []


def test_the_first_job_writes_the_archive_and_the_next_uses_it(platform: Platform) -> None:
    archive = spark_submit.archive(platform)
    archive.base.touch()
    assert archive.flags("one")[1:] == [
        f"-XX:SharedArchiveFile={archive.base}",
        f"-XX:ArchiveClassesAtExit={archive.draft('one')}",
    ]
    archive.draft("one").write_text("classes")
    archive.keep("one")
    assert archive.flags("two")[1:] == [f"-XX:SharedArchiveFile={archive.base}:{archive.path}"]
    assert not archive.draft("one").exists()


def test_a_job_that_wrote_none_leaves_none(platform: Platform) -> None:
    archive = spark_submit.archive(platform)
    archive.keep("killed")
    assert not archive.path.exists()


def test_two_jobs_at_once_write_apart(platform: Platform) -> None:
    archive = spark_submit.archive(platform)
    assert archive.draft("one") != archive.draft("two")


def test_the_store_has_the_archive_for_every_installation(platform: Platform, tmp_path: Path) -> None:
    store = tmp_path / "classes"
    archive = spark_submit.archive(dataclasses.replace(platform, spark_classes=str(store)))
    archive.base.write_text("base")
    # The JVM notes where the base was: one in a folder of the installation would be of no use elsewhere.
    assert archive.flags("one")[1:] == [
        f"-XX:SharedArchiveFile={store / archive.key / 'base.jsa'}",
        f"-XX:ArchiveClassesAtExit={archive.draft('one')}",
    ]
    archive.draft("one").write_text("classes")
    archive.keep("one")
    assert not archive.draft("one").exists()
    assert not archive.path.exists()
    spark_submit.arguments_file(platform).write_text('-cp\n/jars/*\n-Xmx2g\n"-Djava.io.tmpdir=/another"\n')
    elsewhere = dataclasses.replace(platform, spark_classes=str(store), work=str(tmp_path / "other"))
    (flag,) = spark_submit.archive(elsewhere).flags("two")[1:]
    assert flag == f"-XX:SharedArchiveFile={store / archive.key / 'base.jsa'}:{store / archive.key / 'classes.jsa'}"


def test_an_installation_keeps_its_own_where_the_store_is_not_to_be_written(platform: Platform, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "classes"
    archive = spark_submit.archive(dataclasses.replace(platform, spark_classes=str(nowhere)))
    archive.base.write_text("base")
    assert archive.flags("one")[1] == f"-XX:SharedArchiveFile={archive.base}"
    archive.draft("one").write_text("classes")
    archive.keep("one")
    assert archive.flags("two")[1:] == [f"-XX:SharedArchiveFile={archive.base}:{archive.path}"]
    assert not nowhere.exists()


def test_classes_written_on_a_base_that_is_another_now_are_not_kept(platform: Platform, tmp_path: Path) -> None:
    store = tmp_path / "classes"
    archive = spark_submit.archive(dataclasses.replace(platform, spark_classes=str(store)))
    archive.base.write_text("base")
    archive.flags("slow")
    archive.draft("slow").write_text("on the first base")
    # Meanwhile somebody finds the shared base damaged, and makes it anew.
    assert archive.shared is not None
    archive.shared.base.chmod(0o600)
    archive.shared.base.write_text("damaged")
    archive.flags("quick")
    archive.keep("slow")
    assert not archive.shared.has("classes.jsa")
    assert not archive.path.exists()
    assert not archive.draft("slow").exists()
    archive.draft("quick").write_text("on the second base")
    archive.keep("quick")
    assert archive.shared.classes.read_text() == "on the second base"


def test_classes_written_on_the_stores_base_are_not_an_installations_own(platform: Platform, tmp_path: Path) -> None:
    store = tmp_path / "classes"
    archive = spark_submit.archive(dataclasses.replace(platform, spark_classes=str(store)))
    archive.base.write_text("base")
    archive.flags("one")
    archive.draft("one").write_text("classes")
    shutil.rmtree(store)
    archive.keep("one")
    assert not archive.path.exists(), "no JVM would take it: it knows the path of its base"


def test_other_jars_have_another_archive(platform: Platform) -> None:
    before = spark_submit.archive(platform).path
    spark_submit.arguments_file(platform).write_text("-cp\n/other/*\n-Xmx1g\n")
    assert spark_submit.archive(platform).path != before


def test_a_jobs_own_memory_comes_after_the_general_one(platform: Platform) -> None:
    command = spark_submit.command(platform, ["-flag"], {"spark.driver.memory": "4g"}, Path("/c/jobs/x.py"))
    assert command == [
        "/java/bin/java",
        f"@{spark_submit.arguments_file(platform)}",
        "-Xmx4g",
        "-flag",
        "org.apache.spark.deploy.SparkSubmit",
        "--properties-file",
        platform.spark_properties,
        "--conf",
        "spark.driver.memory=4g",
        "/c/jobs/x.py",
    ]


def test_a_driver_in_a_pod_owns_its_executors() -> None:
    pod = {"KUBERNETES_POD_IP": "10.0.0.2", "KUBERNETES_POD_NAME": "task-1", "KUBERNETES_EXECUTOR_IMAGE": "spark:1"}
    assert spark_submit.in_pod({**pod, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == {
        "spark.driver.host": "10.0.0.2",
        "spark.kubernetes.driver.pod.name": "task-1",
        "spark.kubernetes.container.image": "spark:1",
    }


def test_elsewhere_it_has_none() -> None:
    assert spark_submit.in_pod({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == {}
