"""Gates on a real Trino: what passes, what blocks, and what a person reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lakehold.cli.sql import connect
from lakehold.components.airflow_tasks import platform_of

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).resolve().parents[3]
SUITE = """
summary: a probe
owner: testers
tables:
  - table: bronze.gate_probe
    rows: day >= DATE '{from}' AND day < DATE '{to}'
    rules:
      - id: has_name
        expect: expect_column_values_to_not_be_null
        with: {column: name}
        severity: block
        breaks: the page
      - id: small
        expect: expect_column_values_to_be_between
        with: {column: n, max_value: 10}
        severity: warn
        breaks: a bit
      - id: no_double
        expect: no_rows_from
        with: {query: "SELECT n, count(*) AS times FROM {batch} GROUP BY n HAVING count(*) > 1"}
        severity: block
        breaks: the sums
"""
ROWS = """
  (DATE '2013-01-01', 'a', 1), (DATE '2013-01-01', 'b', 2), (DATE '2013-01-02', 'c', 70),
  (DATE '2013-01-03', NULL, 4), (DATE '2013-01-03', 'e', 5), (DATE '2013-01-03', 'f', 5)
"""

Gate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def probe(lab: Any) -> Iterator[Any]:
    """A site with a table of known rows."""
    lab.start("trino")
    with closing(connect(lab.site, "admin")) as connection:
        cursor = connection.cursor()
        values = f"SELECT * FROM (VALUES {ROWS}) AS rows (day, name, n)"
        cursor.execute(f"CREATE OR REPLACE TABLE bronze.gate_probe AS {values}").fetchall()
        yield lab.site
        cursor.execute("DROP TABLE bronze.gate_probe").fetchall()


@pytest.fixture
def gate(probe: Any, tmp_path: Path) -> Gate:
    """Run a suite, given as text, over an interval."""
    platform = tmp_path / "platform.json"
    described = json.loads(platform_of(probe).dumps())
    platform.write_text(json.dumps({**described, "work": str(tmp_path / "work")}), encoding="utf-8")
    (tmp_path / "quality").mkdir()

    def run(start: str, end: str, text: str = SUITE) -> subprocess.CompletedProcess[str]:
        (tmp_path / "quality" / "probe.yml").write_text(text, encoding="utf-8")
        return subprocess.run(
            [probe.pythons["engine"], "-m", "lakehold.quality.run", "--suite", "probe", "--from", start, "--to", end],
            cwd=tmp_path,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
                "LAKEHOLD_PLATFORM": str(platform),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_good_rows_pass_and_rows_of_other_days_are_not_looked_at(gate: Gate, tmp_path: Path) -> None:
    result = gate("2013-01-01", "2013-01-02")
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[3:6]] == ["ok", "ok", "ok"]
    report = json.loads((tmp_path / "work/quality/probe/2013-01-01_2013-01-02.json").read_text())
    assert report["passed"]
    assert [finding["met"] for finding in report["findings"]] == [True, True, True]


def test_a_warning_is_told_with_an_example_and_passes(gate: Gate) -> None:
    result = gate("2013-01-02", "2013-01-03")
    assert result.returncode == 0, result.stderr
    assert "warn  small" in result.stdout
    assert "seen:   1 of 1 rows (100.00 %); for example 70" in result.stdout
    assert "breaks: a bit" in result.stdout


def test_a_broken_rule_blocks_and_says_which_rows(gate: Gate) -> None:
    result = gate("2013-01-01", "2013-01-04")
    assert result.returncode == 7
    assert "seen:   1 of 6 rows (16.67 %)" in result.stdout
    assert "seen:   1 found; n 5, times 2" in result.stdout
    assert "2 of 3 rules are broken and stop the run" in result.stderr
    assert "has_name on bronze.gate_probe, no_double on bronze.gate_probe" in result.stderr


def test_a_rule_that_cannot_be_evaluated_is_neither_met_nor_broken(gate: Gate) -> None:
    result = gate("2013-01-01", "2013-01-02", SUITE.replace("column: name", "column: nome"))
    assert result.returncode == 1
    assert "The rule has_name on bronze.gate_probe could not be evaluated." in result.stderr
    assert "nome" in result.stderr


def test_an_expectation_that_does_not_exist_is_refused(gate: Gate) -> None:
    result = gate("2013-01-01", "2013-01-02", SUITE.replace("values_to_not_be_null", "values_to_be_nice"))
    assert result.returncode == 3
    assert "has_name: expect_column_values_to_be_nice is not an expectation" in result.stderr


def test_a_table_that_is_not_there_is_said(gate: Gate) -> None:
    result = gate("2013-01-01", "2013-01-02", SUITE.replace("bronze.gate_probe", "bronze.missing"))
    assert result.returncode == 1
    assert "missing" in result.stderr
    assert "Traceback" not in result.stderr
