"""The archive is one that runtimes load, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lakehold.images import oci
from lakehold.images.layer import Entry, write
from lakehold.images.oci import Description, Layer

DESCRIPTION = Description(
    name="trino",
    summary="SQL",
    version="1.2.3",
    licences="Apache-2.0",
    created=datetime(2026, 11, 1, tzinfo=UTC),
    command=("/opt/java", "--version"),
    variables={"JAVA_HOME": "/opt/jdk"},
)


@pytest.fixture
def layers(tmp_path: Path) -> list[Layer]:
    found = []
    for name in ("first", "second"):
        path = tmp_path / name
        with path.open("wb") as file:
            written = write([Entry(path=name, content=name.encode())], file, 0)
        found.append(Layer(name=name, sha256=written.sha256, size=written.size, blob=path))
    return found


def files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]  # a file has one


def archived(layers: list[Layer]) -> dict[str, bytes]:
    out = io.BytesIO()
    oci.archive(DESCRIPTION, layers, out)
    again = io.BytesIO()
    oci.archive(DESCRIPTION, layers, again)
    assert out.getvalue() == again.getvalue()
    return files(out.getvalue())


def test_every_document_leads_to_the_next(layers: list[Layer]) -> None:
    found = archived(layers)

    def blob(descriptor: dict[str, Any]) -> bytes:
        content = found[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert descriptor["size"] == len(content)
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        return content

    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    image, same = json.loads(found["index.json"])["manifests"]
    assert image["digest"] == same["digest"]
    names = [one["annotations"]["io.containerd.image.name"] for one in (image, same)]
    short = image["digest"].removeprefix("sha256:")[:12]
    assert names == ["localhost/lakehold/trino:1.2.3", f"localhost/lakehold/trino:1.2.3-{short}"]
    assert [one["annotations"]["org.opencontainers.image.ref.name"] for one in (image, same)] == [
        "1.2.3",
        f"1.2.3-{short}",
    ]
    manifest = json.loads(blob(image))
    configuration = json.loads(blob(manifest["config"]))
    assert [list(tar_names(blob(layer))) for layer in manifest["layers"]] == [["first"], ["second"]]
    assert configuration["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert len(configuration["history"]) == len(layers)


def tar_names(layer: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.getnames()


def test_the_same_archive_is_one_for_docker(layers: list[Layer]) -> None:
    found = archived(layers)
    (image,) = json.loads(found["manifest.json"])
    digest = json.loads(found["index.json"])["manifests"][0]["digest"]
    assert image["RepoTags"] == list(DESCRIPTION.references(digest))
    assert json.loads(found[image["Config"]])["os"] == "linux"
    assert [path in found for path in image["Layers"]] == [True, True]


def test_it_runs_as_a_user_with_an_environment_made_for_it(layers: list[Layer]) -> None:
    configuration = json.loads(oci.config(DESCRIPTION, layers))
    inner = configuration["config"]
    assert inner["User"] == "10001:10001"
    assert inner["Cmd"] == ["/opt/java", "--version"]
    assert "Entrypoint" not in inner
    assert "Volumes" not in inner
    variables = dict(one.split("=", 1) for one in inner["Env"])
    assert variables["JAVA_HOME"] == "/opt/jdk"
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    assert variables["PATH"] == "/usr/bin:/bin"
    assert inner["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert configuration["created"] == "2026-11-01T00:00:00Z"
