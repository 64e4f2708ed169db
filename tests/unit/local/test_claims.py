"""Two installations never get the same port, though neither listens yet."""

from __future__ import annotations

from pathlib import Path

from lakehold.local.claims import claimed_elsewhere
from lakehold.local.files import write_json


def claim(root: Path, state: Path, *ports: int) -> frozenset[int]:
    state.mkdir(exist_ok=True)
    with claimed_elsewhere(root, state) as taken:
        write_json(state / "ports.json", {str(port): port for port in ports})
    return taken


def test_what_one_was_given_is_taken_for_the_other_and_not_for_itself(tmp_path: Path) -> None:
    assert claim(tmp_path / "root", tmp_path / "one", 1000, 1001) == frozenset()
    assert claim(tmp_path / "root", tmp_path / "two", 2000) == {1000, 1001}
    assert claim(tmp_path / "root", tmp_path / "one", 1000) == {2000}
    assert claim(tmp_path / "root", tmp_path / "three") == {1000, 2000}


def test_a_removed_installation_claims_nothing(tmp_path: Path) -> None:
    claim(tmp_path / "root", tmp_path / "one", 1000)
    (tmp_path / "one" / "ports.json").unlink()
    assert claim(tmp_path / "root", tmp_path / "two") == frozenset()
