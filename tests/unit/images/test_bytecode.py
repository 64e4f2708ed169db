"""Bytecode is compiled by the image's Python and knows nothing of the folder it was compiled in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.images import bytecode
from lakehold.images.layer import Entry

ENTRIES = [Entry(path="opt/x/one.py", content=b"NAMES = {'a', 'b'}\n"), Entry(path="opt/x/text", content=b"")]


def root(folder: Path, python: str) -> Path:
    """A root in which the loader is a program that starts another Python than the one named."""
    loader = folder / "usr" / "lib" / "x86_64-linux-gnu" / "ld-linux-x86-64.so.2"
    loader.parent.mkdir(parents=True)
    loader.write_text(f'#!/bin/sh\nshift 3\nexec {python} "$@"\n')
    loader.chmod(0o755)
    return folder


def test_it_is_the_same_in_every_folder_and_names_the_path_in_the_image(tmp_path: Path) -> None:
    python = root(tmp_path / "root", sys.executable)
    found = []
    for name in ("one", "another/folder"):
        entries = bytecode.compiled(ENTRIES, python, tmp_path / name)
        (code,) = [entry for entry in entries if entry.path.endswith(".pyc")]
        assert code.path.startswith("opt/x/__pycache__/one.")
        assert entries[: len(ENTRIES)] == ENTRIES
        found.append(code.read())
    assert found[0] == found[1]
    assert b"/opt/x/one.py" in found[0]
    # Flags of PEP 552: its source's hash is in it, and is never looked at.
    assert found[0][4:8] == (1).to_bytes(4, "little")


def test_a_file_that_is_no_python_stays_without(tmp_path: Path) -> None:
    broken = Entry(path="opt/x/template.py", content=b"{{ name }} = \n")
    entries = bytecode.compiled([*ENTRIES, broken], root(tmp_path / "root", sys.executable), tmp_path / "work")
    assert len([entry for entry in entries if entry.path.endswith(".pyc")]) == 1


def test_a_python_that_cannot_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="could not compile"):
        bytecode.compiled(ENTRIES, root(tmp_path / "root", "/bin/false"), tmp_path / "work")


def test_a_root_without_a_loader_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="could not compile"):
        bytecode.compiled(ENTRIES, tmp_path / "root", tmp_path / "work")


def test_files_are_laid_out_as_they_are_in_the_image(tmp_path: Path) -> None:
    program = Entry(path="usr/bin/x", content=b"#!", mode=0o755)
    bytecode.lay_out([program, Entry(path="usr/bin/y", kind="link", target="x")], tmp_path)
    assert os.access(tmp_path / "usr" / "bin" / "y", os.X_OK)
