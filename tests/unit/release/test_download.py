"""Downloads over a real connection that fails in the ways connections do."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lakehold.errors import ArtifactError
from lakehold.release.download import Response, Wanted, download

if TYPE_CHECKING:
    from tests.unit.release.conftest import Registry

BODY = bytes(range(256)) * 4000
PIECE = 1 << 16
SUM = hashlib.sha256(BODY).hexdigest()


def wanted(**changes: object) -> Wanted:
    fields = {"name": "thing", "filename": "thing.jar", "sha256": SUM, "size": len(BODY)} | changes
    return Wanted(**fields)  # type: ignore[arg-type]  # the types are those of Wanted


def get(address: str, headers: Mapping[str, str]) -> Response:
    return cast(Response, requests.get(address, headers=dict(headers), stream=True, timeout=10))


class Meter:
    """Adds up what progress is told."""

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, count: int) -> None:
        self.total += count


def fetched(registry: Registry, target: Path, what: Wanted | None = None) -> int:
    meter = Meter()
    download(what or wanted(), f"{registry.address}/thing", get, target, meter, sleep=lambda _seconds: None)
    return meter.total


def test_a_whole_file(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"] = BODY
    assert fetched(registry, tmp_path / "f") == len(BODY)
    assert (tmp_path / "f").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(PIECE, 3 * PIECE), max_size=4), ranges=st.booleans())
def test_it_goes_on_where_the_connection_broke(registry: Registry, cuts: list[int], ranges: bool) -> None:
    registry.files["/thing"], registry.cut_after, registry.ranges = BODY, list(cuts), ranges
    registry.requests.clear()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "f"
        assert fetched(registry, target) == len(BODY)
        assert target.read_bytes() == BODY
    assert len(registry.requests) == len(cuts) + 1
    if ranges:
        begins = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for _path, asked in registry.requests]
        assert begins == sorted(begins)
        for before, after, cut in zip(begins, begins[1:], cuts, strict=False):
            assert 0 <= cut - (after - before) < PIECE


def test_a_later_process_goes_on_with_what_an_earlier_one_left(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"] = BODY
    (tmp_path / "f.part").write_bytes(BODY[:1000])
    fetched(registry, tmp_path / "f")
    assert registry.requests == [("/thing", "bytes=1000-")]
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("left", [b"x" * 1000, BODY[:-1] + b"!", BODY + b"more"])
def test_damaged_leftovers_are_thrown_away(registry: Registry, tmp_path: Path, left: bytes) -> None:
    registry.files["/thing"] = BODY
    (tmp_path / "f.part").write_bytes(left)
    fetched(registry, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_wrong_sum_stops_with_both_and_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    evil = BODY[:-1] + b"!"
    registry.files["/thing"] = evil
    with pytest.raises(ArtifactError) as caught:
        fetched(registry, tmp_path / "f")
    assert hashlib.sha256(evil).hexdigest() in str(caught.value)
    assert SUM in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert registry.downloads("/thing") == 1


def test_an_endless_answer_is_cut_short(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"] = BODY * 20
    with pytest.raises(ArtifactError, match="longer than"):
        fetched(registry, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_before_the_pinned_size_is_said_to(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"] = BODY
    with pytest.raises(ArtifactError, match=f"has no more than {len(BODY)} of the pinned {len(BODY) + 5} bytes"):
        fetched(registry, tmp_path / "f", wanted(size=len(BODY) + 5))
    assert list(tmp_path.iterdir()) == []
    assert registry.downloads("/thing") == 2


def test_a_missing_file_is_said_at_once(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="answered 404"):
        fetched(registry, tmp_path / "f")
    assert registry.downloads("/thing") == 1


def test_a_busy_registry_is_asked_again(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"], registry.statuses = BODY, [503, 500, 502]
    fetched(registry, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_dead_registry_is_given_up_with_what_came_kept(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"], registry.cut_after, registry.statuses = BODY, [300_000], [200, *[503] * 20]
    with pytest.raises(ArtifactError, match="could not be downloaded; 262144 of") as caught:
        fetched(registry, tmp_path / "f")
    assert "goes on from there" in caught.value.remedy
    assert (tmp_path / "f.part").read_bytes() == BODY[:262144]


def test_a_full_disk_is_not_taken_for_a_bad_network(registry: Registry, tmp_path: Path) -> None:
    registry.files["/thing"] = BODY
    program = f"""
        import resource, signal, requests
        from pathlib import Path
        from lakehold.errors import ArtifactError
        from lakehold.release.download import Wanted, download
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))
        get = lambda address, headers: requests.get(address, headers=dict(headers), stream=True, timeout=10)
        what = Wanted(name="thing", filename="thing.jar", sha256="{SUM}", size={len(BODY)})
        try:
            download(what, "{registry.address}/thing", get, Path("{tmp_path}/f"), lambda _count: None)
        except ArtifactError as error:
            print(error)
        """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "could not be written" in said
    assert "File too large" in said
    assert registry.downloads("/thing") == 1
