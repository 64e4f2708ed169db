"""What Great Expectations decides does not depend on how its numbers were brought."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lakehold.release.store import Store

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
PYTHON = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY / "platform" / "src")}


def engine_python() -> str:
    """The interpreter with Great Expectations."""
    return str(Store.default().python("engine"))


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What the part prints."""
    command = [engine_python(), str(HERE / "onescan_part.py")]
    result = subprocess.run(command, env=PYTHON, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_verdict_is_that_of_great_expectations_alone(said: dict[str, Any]) -> None:
    assert said["ours"]["verdicts"] == said["stock"]["verdicts"]
    met = {name for name, verdict in said["ours"]["verdicts"].items() if verdict[0]}
    assert met >= {"mostly", "set", "unique", "together, null", "rows", "exists", "pair", "query, met", "condition"}
    assert not met & {
        "null",
        "between",
        "not unique",
        "together",
        "too few",
        "mean",
        "query",
        "equal",
        "no such column",
    }


def test_rules_that_are_met_cost_one_statement(said: dict[str, Any]) -> None:
    assert len(said["met, ours"]["asked"]) == 1
    assert len(said["ours"]["asked"]) < len(said["stock"]["asked"]) / 2


def test_a_row_level_rule_says_which_rows_break_it(said: dict[str, Any]) -> None:
    assert said["breaking"] == {
        "null": "name IS NULL",
        "between": "n IS NOT NULL AND n > 10.0",
        "set": "day IS NOT NULL AND (day NOT IN ('a', 'b'))",
        "pair": "NOT (n >= k OR n IS NULL AND k IS NULL) AND NOT (n IS NULL AND k IS NULL)",
        "of some rows": "n IS NOT NULL AND n > 10.0 AND day = 'a'",
        "lengths": "day IS NOT NULL AND length(day) != 1.0",
    }


def test_every_suite_is_understood_by_the_installed_great_expectations(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "write-a-gate.md").read_text(encoding="utf-8")
    documented = tmp_path / "delays.yml"
    documented.write_text(page.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    suites = sorted(map(str, [*(REPOSITORY / "quality").glob("*.yml"), documented]))
    command = [engine_python(), "-m", "lakehold.quality.check", *suites]
    result = subprocess.run(command, env=PYTHON, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{len(suites)} suites can be run\n"


WRONG = (
    ("to_not_be_null", "to_not_be_nul", "expect_column_values_to_not_be_nul is not an expectation"),
    ("{column: carrier_name}", "{colum: carrier_name}", "expect_column_values_to_not_be_null has no argument colum"),
    ("max_value: 1}", "max_value: [1]}", "the arguments of expect_column_values_to_be_between are wrong"),
)


def test_what_it_does_not_understand_is_named_with_its_path(tmp_path: Path) -> None:
    suites = []
    for number, (old, new, _) in enumerate(WRONG):
        suites.append(tmp_path / f"gold{number}.yml")
        suites[-1].write_text((REPOSITORY / "quality" / "gold.yml").read_text().replace(old, new, 1))
    command = [engine_python(), "-m", "lakehold.quality.check", *map(str, suites)]
    result = subprocess.run(command, env=PYTHON, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 3
    for number, (_, _, said) in enumerate(WRONG):
        assert said in result.stderr
        assert f"gold{number}.tables[1].rules[" in result.stderr
