from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click
import pytest
from lakehold.cli.engine import ask, engine, environment
from lakehold.components.model import Site
from lakehold.components.reference import example_site
from lakehold.components.registry import COMPONENTS
from lakehold.config import platform


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "run").mkdir()
    (tmp_path / "platform").mkdir()
    source = tmp_path / "platform" / "src"
    source.mkdir()
    (source / "child.py").write_text(
        "import json, os, sys\n"
        "print(json.dumps([sys.argv[1:], sorted(os.environ)]))\n"
        "sys.exit(9 if 'fail' in sys.argv else 0)\n"
    )
    made = example_site(COMPONENTS)
    pythons = {**made.pythons, "engine": Path(sys.executable)}
    return dataclasses.replace(made, state=tmp_path, checkout=tmp_path, pythons=pythons)


def test_a_child_s_answer_and_its_exit_code_are_passed_on(site: Site) -> None:
    assert ask(site, "child", "a", "b c")[0] == ["a", "b c"]
    assert engine(site, "child") == 0
    assert engine(site, "child", "fail") == 9
    with pytest.raises(click.exceptions.Exit) as ended:
        ask(site, "child", "fail")
    assert ended.value.exit_code == 9


def test_a_child_finds_the_platform_and_none_of_the_caller_s_variables(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    assert "REQUESTS_CA_BUNDLE" not in ask(site, "child")[1]
    described = Path(environment(site)[platform.VARIABLE])
    assert json.loads(described.read_text())["catalog"]["name"] == "lakehouse"
    assert described.stat().st_mode & 0o077 == 0
