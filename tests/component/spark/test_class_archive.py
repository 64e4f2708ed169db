"""The archive of classes is one that a real JVM maps, also when the installation that wrote it is gone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lakehold.components.model import Site
from lakehold.components.spark import java_arguments
from lakehold.pipelines.shared_classes import BASE, SharedClasses
from lakehold.pipelines.spark_submit import Archive

pytestmark = pytest.mark.component


def java(site: Site, *arguments: str) -> str:
    """Run the JVM of Spark's jobs and return what it prints."""
    command = [str(site.artifacts["jdk-21"] / "bin" / "java"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_what_one_installation_wrote_is_mapped_by_another_when_the_first_is_gone(lab: object, tmp_path: Path) -> None:
    site: Site = lab.site  # type: ignore[attr-defined]  # the lab of tests/component
    given = [*java_arguments(site), "-Xlog:class+load:stdout"]
    program = ["org.apache.spark.deploy.SparkSubmit", "--version"]
    shared = SharedClasses(folder=tmp_path / "store" / "classes" / "key")
    shared.folder.parents[1].mkdir()
    first, second = (Archive(folder=tmp_path / name, key="key", shared=shared) for name in ("first", "second"))
    for one in (first, second):
        one.folder.mkdir()
        java(site, "-Xshare:dump", f"-XX:SharedArchiveFile={one.folder / BASE}")
    said = java(site, *given, *first.flags("job"), *program)
    assert "shared objects file (top)" not in said
    first.keep("job")
    shutil.rmtree(first.folder)
    said = java(site, *given, *second.flags("job"), *program)
    assert said.count("shared objects file (top)") > 500
