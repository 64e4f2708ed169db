"""Judges a Spark DataFrame by the rules a suite has for a table, inside a Spark job, before anything is written.

    from lakehold.quality.frames import gate
    gate(frame, "silver_flights", "silver.flights", date(2013, 1, 1), date(2013, 1, 2))

The same suites, decided by the same Great Expectations on its Spark engine. Queries of a suite are then read by Spark:
`{batch}` is the frame, and only SQL that Trino and Spark both understand can be in a suite used on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from lakehold.config import shadows
from lakehold.errors import ConfigError, RunFailedError
from lakehold.quality import expectations, report, suite, validation
from lakehold.quality.finding import Finding


def gate(frame: Any, name: str, table: str, start: date, end: date, folder: Path = Path("quality")) -> list[Finding]:
    """Judge ``frame`` and print what was found; :class:`RunFailedError` when a rule that blocks is broken."""
    found = judge(frame, name, table, start, end, folder)
    print(f"{name}, the frame for {table} [{start}, {end})\n\n{report.table(found)}\n", flush=True)  # noqa: T201 - its output
    if blocking := [finding.rule.id for finding in found if finding.blocks]:
        raise RunFailedError(
            f"{name}: {len(blocking)} of {len(found)} rules are broken by the frame for {table}; nothing was written.",
            why=", ".join(blocking),
            remedy="mend the data or the join that made the frame, or change the rule",
        )
    return found


def judge(frame: Any, name: str, table: str, start: date, end: date, folder: Path = Path("quality")) -> list[Finding]:
    """Evaluate the rules that the suite ``name`` has for ``table`` on ``frame``, whose rows are taken as they are.

    Spark computes a frame again for each job: persist one that costs much, or whose sources may move before it is
    written.
    """
    gx = expectations.great_expectations(with_spark=True)
    from great_expectations.execution_engine.sparkdf_batch_data import SparkDFBatchData

    from lakehold.quality.judge import judge as decide
    from lakehold.quality.sparkscan import OneJobEngine, prefetch

    read = suite.load(folder, name, start, end, shadows.redirected())
    rules = next((one for one in read.tables if one.name == table), None)
    if rules is None:
        raise ConfigError(f"The suite {name} has no rules for {table}.", why=f"it has some for {_names(read)}")
    engine = OneJobEngine(spark=frame.sparkSession)
    engine.load_batch_data(table, SparkDFBatchData(execution_engine=engine, dataframe=frame))
    wanted: Mapping[str, Any] = {rule.id: expectations.expectation(gx, rule, spark=True) for rule in rules.rules}
    verdicts = decide(engine, wanted, prefetch)
    validation.evaluated(rules, verdicts)
    rows = frame.count() if engine.rows is None else engine.rows
    return [*validation.findings(rules, verdicts, rows), *validation.emptiness(rules, rows)]


def _names(read: suite.Suite) -> str:
    return ", ".join(table.name for table in read.tables)
