"""The verbs of `lakehold quality` hand what they were given to the programs of the engine environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lakehold.cli import quality
from lakehold.errors import ConfigError

CHECKOUT = Path("/checkout")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the verb started: module and arguments."""
    found: list[tuple[str, ...]] = []

    def engine(_: Any, module: str, *arguments: str) -> int:
        found.append((module, *arguments))
        return 7 if "broken" in arguments else 0

    monkeypatch.setattr(quality, "engine", engine)
    monkeypatch.setattr(quality.Context, "checkout", CHECKOUT)
    monkeypatch.setattr(quality.Context, "existing_site", lambda _: None)
    return found


@pytest.mark.parametrize(
    ("line", "started"),
    [
        (
            "run gold --from 2013-01-31",
            "run --suite gold --suites /checkout/quality --from 2013-01-31 --to 2013-02-01",
        ),
        ("show --json", "history --latest --suite  --days 90 --json"),
        ("history --suite gold --limit 3", "history --suite gold --table  --rule  --days 90 --limit 3"),
        ("propose gold.delays --output x.yml", "propose gold.delays --rows  --output x.yml"),
        ("check gold silver.yml", "check /checkout/quality/gold.yml /checkout/quality/silver.yml"),
    ],
)
def test_a_verb_starts_its_program(called: list[tuple[str, ...]], line: str, started: str) -> None:
    result = CliRunner().invoke(quality.quality, line.split())
    assert result.exit_code == 0, result.output
    assert [" ".join(words) for words in called] == [f"lakehold.quality.{started}"]


def test_the_exit_code_of_the_gate_is_that_of_the_verb(called: list[tuple[str, ...]]) -> None:
    assert CliRunner().invoke(quality.quality, ["run", "broken", "--from", "2013-01-01"]).exit_code == 7
    assert called


def test_a_table_without_a_schema_is_refused(called: list[tuple[str, ...]]) -> None:
    result = CliRunner().invoke(quality.quality, ["propose", "delays"])
    assert isinstance(result.exception, ConfigError)
    assert not called
