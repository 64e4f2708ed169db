"""The images that were built: what is in them is what they say, and it runs without rights on a read-only disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from image_archive import USER, Archive, Container
from lakehold.cluster import layout
from lakehold.images.recipes import load_recipes
from lakehold.release.pins import PLATFORM
from packaging.utils import canonicalize_name

OUT = Path(os.environ.get("IMAGES_OUT", PLATFORM.parent / "dist" / "images"))
RECIPES = load_recipes()
ENGINE, DBT, AIRFLOW, LAKEHOLD = (str(layout.python(name)) for name in ("engine", "dbt", "airflow", "lakehold"))
STORE = str(layout.STORE)
DRIVER = ("-m", "lakehold.pipelines.spark_pod", "driver")
SPARK = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
assert spark.sql("SELECT sum(id) FROM range(10)").first()[0] == 45
"""
GIT = """
git init --quiet /tmp/a && cd /tmp/a && git -c user.name=a -c user.email=a@a commit --quiet --allow-empty -m a || exit 1
git clone --quiet /tmp/a /tmp/b || exit 1
# Nobody listens there; to find that out takes what HTTPS takes.
[[ $(git ls-remote https://127.0.0.1:9/x 2>&1) == *onnect* ]]
"""
TOOLS = {"apt", "apt-get", "cc", "dpkg", "gcc", "javac", "ld", "make", "perl", "pip", "pip3", "uv"}

every_image = pytest.mark.parametrize("name", RECIPES.images)

PROGRAMS: dict[str, list[list[str]]] = {
    "postgres": [
        [f"{STORE}/postgres/bin/initdb", "--pgdata=/tmp/data", "--no-sync", "--auth=trust"],
        ["/bin/sh", "-c", "printf a | sed s/a/b/ | tr b c && mkdir /tmp/a && mv /tmp/a /tmp/b && sync && rm -r /tmp/b"],
    ],
    "objectstore": [["/bin/mkdir", "-p", f"{layout.STATE}/a/b"]],
    "trino": [
        ["/usr/bin/python3.11", "-I", "-S", "-c", "import bz2, ctypes, lzma, readline, sqlite3, ssl, uuid, zlib"]
    ],
    "platform": [[LAKEHOLD, "-c", "import lakehold.cluster.configure, lakehold.cluster.keys, lakehold.lineage.server"]],
    "spark": [
        [ENGINE, "-c", "import great_expectations, pyarrow, pyiceberg, scipy"],
        ["/usr/bin/env", "SPARK_DRIVER_BIND_ADDRESS=127.0.0.1", ENGINE, *DRIVER, "--version"],
    ],
    "airflow": [
        [AIRFLOW, "-c", "import airflow.providers.cncf.kubernetes.executors.kubernetes_executor"],
        [AIRFLOW, "-c", "import airflow.providers.celery.executors.celery_executor, airflow.providers.git.bundles.git"],
        [AIRFLOW, "-c", "import airflow.providers.amazon.aws.log.s3_task_handler"],
        [DBT, "-c", "from dbt.cli.main import cli; cli(['--version'])"],
        [ENGINE, "-c", "import great_expectations, pyarrow, pyiceberg, scipy"],
        ["/usr/bin/env", f"JAVA_HOME={STORE}/jdk-21", ENGINE, "-c", SPARK],
        ["/usr/bin/bash", "-c", "[[ $(id -u) == 10001 ]]"],
        ["/usr/bin/bash", "-c", GIT],
    ],
}
"""What is tried of each image, besides its own command."""


@pytest.fixture(scope="module", params=PROGRAMS)
def container(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Container]]:
    """An unpacked image; the next one takes its place, for they are large."""
    folder = tmp_path_factory.mktemp(request.param)
    yield request.param, archive(request.param).unpack(folder)
    shutil.rmtree(folder)


def archive(name: str) -> Archive:
    """An image of `make images`."""
    path = OUT / f"{name}.tar"
    assert path.is_file(), f"{path} is not there: make images"
    return Archive(path)


def bill(name: str) -> list[dict[str, Any]]:
    """The parts that an image says it has."""
    parts: list[dict[str, Any]] = json.loads((OUT / f"{name}.cdx.json").read_text())["components"]
    return parts


def test_programs_run_without_rights_on_a_disk_that_cannot_be_written(container: tuple[str, Container]) -> None:
    name, image = container
    assert image.run()
    for command in PROGRAMS[name]:
        image.run(*command)


@every_image
def test_nothing_gives_rights_and_two_places_can_be_written(name: str) -> None:
    members = archive(name).members()
    assert [one.name for one in members if one.mode & 0o6000 or one.isdev()] == []
    assert {one.name for one in members if one.mode & 0o002 and not one.issym()} == {"tmp", "var/tmp"}
    assert {one.name for one in members if (one.uid, one.gid) != (0, 0)} == {"var/lib/lakehold"}
    assert archive(name).config["User"] == f"{USER}:{USER}"


@every_image
def test_nothing_builds_or_installs_software(name: str) -> None:
    programs = {one.name.rpartition("/")[2] for one in archive(name).members() if "bin" in one.name.split("/")[:-1]}
    assert (
        programs & {"apt", "apt-get", "dpkg", "cc", "gcc", "ld", "make", "perl", "pip", "pip3", "uv", "javac"} == set()
    )


@every_image
def test_the_bill_names_every_package_that_is_there(name: str) -> None:
    known = {(one["purl"].split("/")[0], canonicalize_name(one["name"])) for one in bill(name)}
    for path in (one.name for one in archive(name).members()):
        if found := re.search(r"/site-packages/([^/]+)-[^/-]+\.dist-info/METADATA$", path):
            assert ("pkg:pypi", canonicalize_name(found[1])) in known
        if found := re.match(r"var/lib/dpkg/status\.d/([^/]+)$", path):
            assert ("pkg:deb", canonicalize_name(found[1])) in known


@every_image
def test_the_bill_has_the_sum_of_every_jar(name: str) -> None:
    known = {one["content"] for part in bill(name) for one in part.get("hashes", [])}
    for layer in archive(name).layers():
        for member in layer:
            if member.isfile() and member.name.endswith(".jar"):
                assert _sum(layer, member) in known, member.name


@every_image
def test_whoever_packaged_something_states_its_licence(name: str) -> None:
    packaged = [one for one in bill(name) if one["purl"].startswith(("pkg:deb/", "pkg:pypi/"))]
    assert packaged
    assert [one["name"] for one in packaged if not one.get("licenses")] == []
    lines = (OUT / f"{name}.licences.txt").read_text().splitlines()
    assert len(lines) == len(bill(name))


def _sum(layer: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = layer.extractfile(member)
    assert file is not None
    return hashlib.sha256(file.read()).hexdigest()
