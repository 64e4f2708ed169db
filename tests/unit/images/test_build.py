"""A whole image from packages and an artifact made here: the same digest in every store, and nothing made twice."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError, ConfigError
from lakehold.images import layers as layers_module
from lakehold.images.build import build
from lakehold.images.debian import Package
from lakehold.images.layer import Entry
from lakehold.images.layers import Inputs
from lakehold.images.recipes import DebianSet, Image, Recipes
from lakehold.images.results import Built
from lakehold.release import manifest
from lakehold.release.pinsfile import parse_pins
from lakehold.release.store import Store
from made_deb import package

# A loader that starts the Python of the tests instead of the one it is told.
LOADER = f'#!/bin/sh\nshift 3\nexec {sys.executable} "$@"\n'.encode()
DEBS = {
    "base": ("static", package({"./usr/share/ca-certificates/a.crt": b"A\n", "./bin/sh": LOADER})),
    "python": ("python", package({"./usr/lib/python3.11/one.py": b"ONE = 1\n", "./usr/bin/python3.11": b"elf"})),
    "loader": ("python", package({"./usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": LOADER})),
}
RECIPES = Recipes(
    created=datetime(2026, 11, 1, tzinfo=UTC),
    debian={
        "static": DebianSet(reason="r", packages=("base",)),
        "python": DebianSet(reason="r", packages=("python", "loader"), on=("static",)),
    },
    licences=dict.fromkeys(DEBS, "MIT"),
    images={
        "thing": Image(summary="A thing", debian=("static", "python"), artifacts=("thing",), command=("{thing}", "-v")),
        "other": Image(summary="Another", debian=("static", "python"), rooms=("dags",)),
    },
)

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="images are built with their own Python, 3.11")


def made(root: Path) -> Inputs:
    """Everything a build needs, below ``root``."""
    tool = root / "tool"
    tool.mkdir(parents=True)
    (tool / "tool").write_bytes(b"#!/bin/sh\n")
    (tool / "tool").chmod(0o755)
    tree = manifest.total(manifest.describe(tool))
    pins = parse_pins(
        "[artifacts.thing]\nkind = 'pypi'\nproject = 'thing'\nfilename = 'tool'\nversion = '1'\n"
        f"sha256 = '{'0' * 64}'\nsize = 1\ntree = '{tree}'\ndisk = 1\nlicense = 'MIT'\nreason = 'A test.'\n"
    )
    store = Store(root / "store", pins)
    folder = store.layout.artifact(pins.artifact("thing"))
    folder.parent.mkdir(parents=True)
    tool.rename(folder)
    for name in ("platform/src/own/one.py", "platform/pins.toml", "LICENSE", "NOTICE", "dags/day.py"):
        (root / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "checkout" / name).write_text("ONE = 1\n")
    return Inputs(store=store, recipes=RECIPES, packages=packages(root), checkout=root / "checkout", say=print)


def packages(root: Path) -> list[Package]:
    """The packages, which the store has already: no apt is asked."""
    debs = root / "store" / "images" / "debian"
    debs.mkdir(parents=True)
    found = []
    for name, (of, content) in DEBS.items():
        sum_ = hashlib.sha256(content).hexdigest()
        (debs / f"{sum_}.deb").write_bytes(content)
        found.append(Package(set=of, name=name, version="1", architecture="amd64", size=len(content), sha256=sum_))
    # In the order of the sets, as a lock is.
    return sorted(found, key=lambda one: one.set != "static")


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return made(tmp_path / "one")


def blobs(inputs: Inputs) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (inputs.folder / "blobs").iterdir()}


def names(archive: Path) -> list[str]:
    """All paths in all layers of an image."""
    found = []
    with tarfile.open(archive) as outer:
        (image,) = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]  # it is a file
        for layer in image["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(outer.extractfile(layer).read())) as tar:  # type: ignore[union-attr]  # it is a file
                found += tar.getnames()
    return found


def test_two_stores_give_the_same_digest(inputs: Inputs, tmp_path: Path) -> None:
    elsewhere = made(tmp_path / "another" / "place")
    one = build(inputs, ["thing"], tmp_path / "out")
    assert one == build(elsewhere, ["thing"], tmp_path / "out2")
    for name in ("thing.tar", "thing.cdx.json", "thing.licences.txt", "images.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes()


def test_an_image_has_its_parts_and_says_what_they_are(inputs: Inputs, tmp_path: Path) -> None:
    (built,) = build(inputs, ["thing"], tmp_path / "out")
    found = names(tmp_path / "out" / built.archive)
    for path in (
        "etc/passwd",
        "usr/bin/sh",
        "usr/lib/python3.11/__pycache__",
        "opt/store/thing",
        "opt/lakehold/platform/src/own/one.py",
        "opt/lakehold/LICENSE",
        "usr/share/lakehold/thing.cdx.json",
    ):
        assert path in found
    assert "opt/lakehold/dags/day.py" not in found
    assert [name for name in found if name.startswith("opt/lakehold/") and name.endswith(".pyc")]
    bill = json.loads((tmp_path / "out" / "thing.cdx.json").read_text())
    assert {part["name"] for part in bill["components"]} == {*DEBS, "thing"}
    assert (tmp_path / "out" / "thing.licences.txt").read_text().splitlines()[-1] == "thing 1: MIT"


def test_images_share_layers_and_a_second_build_writes_none(inputs: Inputs, tmp_path: Path) -> None:
    build(inputs, ["thing", "other"], tmp_path / "out")
    before = blobs(inputs)
    archive = (tmp_path / "out" / "thing.tar").stat()
    # static, python, platform; the artifact; the rooms; a bill each.
    assert len(before) == 7
    build(inputs, ["thing", "other"], tmp_path / "out")
    assert blobs(inputs) == before
    after = (tmp_path / "out" / "thing.tar").stat()
    assert (after.st_ino, after.st_mtime_ns) == (archive.st_ino, archive.st_mtime_ns)


def test_an_archive_that_was_cut_off_is_written_again(inputs: Inputs, tmp_path: Path) -> None:
    build(inputs, ["thing"], tmp_path / "out")
    path = tmp_path / "out" / "thing.tar"
    before = path.read_bytes()
    path.write_bytes(before[:1000])
    build(inputs, ["thing"], tmp_path / "out")
    assert path.read_bytes() == before


def test_again_writes_all_of_it_and_finds_it_the_same(inputs: Inputs, tmp_path: Path) -> None:
    first = build(inputs, ["thing"], tmp_path / "out")
    before = blobs(inputs)
    assert build(replace(inputs, again=True), ["thing"], tmp_path / "out") == first
    after = blobs(inputs)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)


def test_a_layer_that_comes_out_different_is_not_accepted(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(inputs, ["thing"], tmp_path / "out")
    real = layers_module.system.entries
    monkeypatch.setattr(
        layers_module.system, "entries", lambda found: [*real(found), Entry(path="etc/when", content=b"now")]
    )
    with pytest.raises(ArtifactError, match="debian-static came out different"):
        build(replace(inputs, again=True), ["thing"], tmp_path / "out")


def test_a_change_of_the_checkout_is_another_image(inputs: Inputs, tmp_path: Path) -> None:
    def digest(built: list[Built]) -> str:
        return built[0].digest

    before = digest(build(inputs, ["thing"], tmp_path / "out"))
    (inputs.checkout / "dags" / "day.py").write_text("ONE = 2\n")
    assert digest(build(inputs, ["thing"], tmp_path / "out")) == before
    (inputs.checkout / "platform" / "src" / "own" / "one.py").write_text("ONE = 2\n")
    assert digest(build(inputs, ["thing"], tmp_path / "out")) != before


def test_a_layer_that_another_one_replaced_is_removed(inputs: Inputs, tmp_path: Path) -> None:
    build(inputs, ["thing", "other"], tmp_path / "out")
    before = blobs(inputs)
    (inputs.checkout / "dags" / "day.py").write_text("ONE = 2\n")
    build(inputs, ["other"], tmp_path / "out")
    after = blobs(inputs)
    assert len(after) == len(before)
    # What no image of this build has stays for those that have it.
    assert len(before.keys() - after.keys()) == 1


def test_what_is_said_of_the_images_is_true_after_a_build_of_some(inputs: Inputs, tmp_path: Path) -> None:
    build(inputs, ["thing", "other"], tmp_path / "out")
    before = {one["name"]: one for one in json.loads((tmp_path / "out" / "images.json").read_text())}
    (inputs.checkout / "dags" / "day.py").write_text("ONE = 2\n")
    build(inputs, ["other"], tmp_path / "out")
    after = {one["name"]: one for one in json.loads((tmp_path / "out" / "images.json").read_text())}
    assert after["thing"] == before["thing"]
    assert after["other"]["tag"] != before["other"]["tag"]
    (tmp_path / "out" / "thing.tar").unlink()
    build(inputs, ["other"], tmp_path / "out")
    assert [one["name"] for one in json.loads((tmp_path / "out" / "images.json").read_text())] == ["other"]


def test_no_image_has_a_package_whose_licence_nobody_knows(inputs: Inputs, tmp_path: Path) -> None:
    silent = RECIPES.model_copy(update={"licences": {"base": "MIT", "python": "MIT"}})
    with pytest.raises(ConfigError, match="licences: loader"):
        build(replace(inputs, recipes=silent), ["thing"], tmp_path / "out")


def test_a_package_that_was_changed_in_the_store_is_noticed(inputs: Inputs, tmp_path: Path) -> None:
    for path in (inputs.folder / "debian").iterdir():
        path.write_bytes(package({"./etc/other": b""}))
    with pytest.raises(ArtifactError, match="not as locked"):
        build(inputs, ["thing"], tmp_path / "out")
