"""What of the store and the checkout goes into a layer: relocated, without this machine."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.images import trees
from lakehold.images.layer import Entry, write
from lakehold.release import envs, manifest
from lakehold.release.pinsfile import parse_pins
from lakehold.release.store import Store

ENV = "opt/envs/small-py3.11"
LIB = "lib/python3.11/site-packages"
SITE = f"{ENV}/{LIB}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def environment(root: Path, python: str, tools: str = "84.0") -> Store:
    """A store with one environment, as uv leaves it."""
    locks = root / "locks"
    locks.mkdir(parents=True)
    lock = locks / "small.txt"
    lock.write_text("small==1\n")
    pins = parse_pins("[envs.small]\ndisk = 1\nreason = 'A test.'\n")
    store = Store(root / "store", pins, locks)
    folder = store.env_folder("small")
    site = folder / "lib" / "python3.11" / "site-packages"
    info = site / "small-1.dist-info"
    for path in (folder / "bin", folder / "include", info):
        path.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    (folder / "bin" / "python").symlink_to(python)
    (folder / "bin" / "activate").write_text(f"VIRTUAL_ENV={folder}\n")
    (folder / "include" / "x.h").write_text("")
    (folder / "lib64").symlink_to("lib")
    script = f"#!{folder}/bin/python\nprint(1)\n".encode()
    (folder / "bin" / "small").write_bytes(script)
    (folder / "bin" / "small").chmod(0o755)
    (site / "small.py").write_text("ONE = 1\n")
    (info / "uv_build.json").write_text("{}")
    wheel = f"Wheel-Version: 1.0\nGenerator: setuptools ({tools})\nTag: py3-none-any\n".encode()
    (info / "WHEEL").write_bytes(wheel)
    rows = [["small.py", f"sha256={encoded(b'ONE = 1' + bytes([10]))}", "8"], ["small-1.dist-info/RECORD", "", ""]]
    rows.append(["small-1.dist-info/WHEEL", f"sha256={encoded(wheel)}", str(len(wheel))])
    rows.append(["../../../bin/small", f"sha256={encoded(script)}", str(len(script))])
    with (info / "RECORD").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    envs.seal(folder, lock, manifest.describe(folder))
    return store


@pytest.fixture
def store(tmp_path: Path, python: str) -> Store:
    return environment(tmp_path / "one", python)


@pytest.fixture
def python(tmp_path: Path) -> str:
    path = tmp_path / "python3.11"
    path.write_text("")
    return str(path)


def layer(store: Store) -> bytes:
    out = io.BytesIO()
    write(trees.env(store, "small"), out, 0)
    return out.getvalue()


def test_an_environment_is_that_of_the_images_python(store: Store) -> None:
    found = {entry.path: entry for entry in trees.env(store, "small")}
    assert found[f"{ENV}/bin/python"].target == "/usr/bin/python3.11"
    assert b"home = /usr/bin\n" in found[f"{ENV}/pyvenv.cfg"].read()
    assert found[f"{ENV}/bin/small"].read() == f"#!/{ENV}/bin/python\nprint(1)\n".encode()
    assert found[f"{ENV}/bin/small"].mode == 0o755
    assert f"{ENV}/bin/activate" not in found
    assert f"{ENV}/include/x.h" not in found
    assert f"{ENV}/{envs.RECORD}" not in found


def test_what_installs_packages_stays_on_the_machine(tmp_path: Path, python: str) -> None:
    store = environment(tmp_path / "one", python)
    folder = store.env_folder("small")
    own = ("bin/uv", "bin/uvx", f"{LIB}/uv/__init__.py", f"{LIB}/uv-1.dist-info/METADATA")
    for path in (*own, "bin/uvicorn", f"{LIB}/uvicorn-1.dist-info/METADATA"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    lock = store.env_lock("small")
    envs.seal(folder, lock, manifest.describe(folder))
    found = {entry.path for entry in trees.env(store, "small")}
    assert not {f"{ENV}/{path}" for path in own} & found
    assert {f"{ENV}/bin/uvicorn", f"{SITE}/uvicorn-1.dist-info/METADATA"} <= found


def test_a_packages_record_knows_its_new_scripts(store: Store) -> None:
    found = {entry.path: entry for entry in trees.env(store, "small")}
    record = found[f"{SITE}/small-1.dist-info/RECORD"].read().decode()
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(record))}
    script = found[f"{ENV}/bin/small"].read()
    assert rows["../../../bin/small"] == [f"sha256={encoded(script)}", str(len(script))]
    wheel = found[f"{SITE}/small-1.dist-info/WHEEL"].read()
    assert wheel == b"Wheel-Version: 1.0\nTag: py3-none-any\n"
    assert rows["small-1.dist-info/WHEEL"] == [f"sha256={encoded(wheel)}", str(len(wheel))]
    assert rows["small.py"] == [f"sha256={encoded(b'ONE = 1' + bytes([10]))}", "8"]


def test_neither_the_stores_place_nor_the_version_of_a_build_tool_matters(
    store: Store, tmp_path: Path, python: str
) -> None:
    elsewhere = environment(tmp_path / "another" / "folder", python, tools="85.1")
    assert layer(store) == layer(elsewhere)
    assert trees.env_key(store, "small") == trees.env_key(elsewhere, "small")


def test_a_file_that_was_changed_in_the_store_is_noticed(store: Store) -> None:
    folder = store.env_folder("small")
    (folder / "lib" / "python3.11" / "site-packages" / "small.py").write_text("ONE = 2\n")
    with pytest.raises(ArtifactError, match="not what was verified"):
        layer(store)


def test_a_script_that_was_changed_in_the_store_is_noticed(store: Store) -> None:
    (store.env_folder("small") / "bin" / "small").write_text("#!/bin/sh\n")
    with pytest.raises(ArtifactError, match="not as it was"):
        layer(store)


def pinned(root: Path, single: bool) -> Store:
    files = {"tool": b"#!/bin/sh\n"} if single else {"bin/tool": b"#!/bin/sh\n", "lib/a.jar": b"jar"}
    draft = root / "draft"
    for name, content in files.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).write_bytes(content)
        (draft / name).chmod(0o755 if name.endswith("tool") else 0o644)
    tree = manifest.total(manifest.describe(draft))
    unpack = "" if single else "unpack = { format = 'zip' }\n"
    pins = parse_pins(
        "[artifacts.thing]\nkind = 'pypi'\nproject = 'thing'\nfilename = 'tool'\nversion = '1'\n"
        f"sha256 = '{'0' * 64}'\nsize = 1\ntree = '{tree}'\ndisk = 1\nlicense = 'MIT'\nreason = 'A test.'\n{unpack}"
    )
    store = Store(root / "store", pins)
    folder = store.layout.artifact(pins.artifact("thing"))
    folder.parent.mkdir(parents=True)
    draft.rename(folder)
    return store


def test_an_artifact_is_a_folder_of_its_name(tmp_path: Path) -> None:
    found = {entry.path: entry for entry in trees.artifact(pinned(tmp_path, single=False), "thing")}
    assert sorted(found) == ["opt/store/thing/bin/tool", "opt/store/thing/lib/a.jar"]
    assert found["opt/store/thing/bin/tool"].mode == 0o755
    assert found["opt/store/thing/lib/a.jar"].sha256 == hashlib.sha256(b"jar").hexdigest()


def test_a_single_file_has_the_name_of_its_pin(tmp_path: Path) -> None:
    (entry,) = trees.artifact(pinned(tmp_path, single=True), "thing")
    assert (entry.path, entry.mode) == ("opt/store/thing", 0o755)


def test_an_artifact_that_is_not_as_pinned_is_refused(tmp_path: Path) -> None:
    store = pinned(tmp_path, single=False)
    (store.artifact("thing") / "lib" / "b.jar").write_bytes(b"more")
    with pytest.raises(ArtifactError, match="not as pinned"):
        list(trees.artifact(store, "thing"))


def test_of_a_checkout_goes_what_belongs_to_it(tmp_path: Path) -> None:
    for name in ("dags/day.py", "dags/__pycache__/day.cpython-311.pyc", "dbt_project/.user.yml", "dbt_project/logs/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found: list[Entry] = list(trees.checkout(tmp_path, ("dags", "dbt_project")))
    assert [entry.path for entry in found] == ["opt/lakehold/dags/day.py"]
    before = trees.checkout_key(tmp_path, ("dags",))
    (tmp_path / "dags" / "day.py").write_text("x = 1\n")
    assert trees.checkout_key(tmp_path, ("dags",)) != before
