"""The verbs of the checkout, and what CI runs."""

from __future__ import annotations

import ast
import re
import sys

from lakehold.release.pins import LOCKS

CHECKOUT = LOCKS.parent.parent
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")


def test_at_most_fifteen_verbs_each_with_its_line_of_help() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    documented = re.findall(r"^([a-z-]+):.*## \S.*\.$", MAKEFILE, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(documented)
    assert len(documented) <= 15


def test_the_bootstrap_needs_the_standard_library_only() -> None:
    source = (CHECKOUT / "platform" / "bootstrap.py").read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    # What the installed `lakehold` command imports is text in there, not an import.
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = [line for line in (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if "make" in line]
    assert commands == ["exec make test"]
    assert "make test" in (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_folders_that_are_tested_exist() -> None:
    (folders,) = re.findall(r"^TESTS \?= (.*)$", MAKEFILE, flags=re.MULTILINE)
    for folder in folders.split():
        assert list((CHECKOUT / folder).rglob("test_*.py")), f"{folder} has no tests, and pytest would exit with 5"
