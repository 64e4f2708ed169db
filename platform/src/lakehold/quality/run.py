"""Runs one gate: ``python -m lakehold.quality.run --suite bronze_flights --from 2013-01-01 --to 2013-01-02``.

Exit code 0 when no rule that blocks is broken, 7 when one is, 3 when the suite cannot be read, 1 when a rule could not
be evaluated or what was found could not be recorded. Tables of schemas that ``LAKEHOLD_SHADOWS`` redirects are read in
their shadow. The findings go to ``ops.quality_results``, to the lineage service, and to
``<work>/quality/<suite>/<from>_<to>.json`` and ``.html``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lakehold.config import platform, shadows
from lakehold.config.platform import Platform
from lakehold.errors import LakeholdError, RunFailedError
from lakehold.quality import assertions, expectations, page, quarantine, report, results, scope, suite, validation
from lakehold.quality.finding import Finding
from lakehold.quality.outcome import Caller, Outcome, caller
from lakehold.quality.scope import State
from lakehold.quality.suite import Suite, TableRules

JUDGED = "judged "
"""Begins a line of output about a table in a shadow: its name, and its metadata file when it was judged."""


def run(name: str, start: date, end: date, folder: Path) -> None:
    """Run the suite ``name`` of ``folder`` over [start, end); :class:`RunFailedError` when it stops the run."""
    known = platform.load()
    rules = suite.load(folder, name, start, end, shadows.redirected())
    began, clock, who = datetime.now(UTC), time.monotonic(), caller()
    with ThreadPoolExecutor(1) as aside:
        # Opening the catalog takes a second of imports, which is over before Great Expectations is imported.
        opened = aside.submit(results.catalog, known.catalog)
        expectations.great_expectations()
        catalog = opened.result()
    findings, states = judge(rules, known, catalog, who)
    publish(
        Outcome(
            suite=rules,
            start=start,
            end=end,
            began=began,
            seconds=time.monotonic() - clock,
            findings=findings,
            caller=who,
            snapshots={name: state.snapshot for name, state in states.items() if state.snapshot is not None},
        ),
        known,
        catalog,
    )
    for table in rules.tables:
        if table.is_shadow and table.name in states:
            # What the operator hands on to the group's publication.
            print(f"{JUDGED}{table.name}={states[table.name].location}", flush=True)  # noqa: T201 - its output


def _states(rules: Suite, catalog: Any) -> dict[str, State]:
    try:
        found = {table.name: scope.state(catalog, table) for table in rules.tables}
    except Exception as error:
        # The catalog's driver, the object store's client and the network each have their own.
        raise LakeholdError(
            "The catalog does not answer, so what a gate finds could not be recorded.",
            why=f"{type(error).__name__}: {error}"[:500],
            remedy="lakehold status; run the gate again when it answers",
        ) from error
    return {name: state for name, state in found.items() if state is not None}


def judge(rules: Suite, known: Platform, catalog: Any, who: Caller) -> tuple[list[Finding], dict[str, State]]:
    """Judge every table of a suite, and return what was found and the state each table was in before it was read.

    Rows that may go to quarantine are moved, table by table. Then all tables are judged once more, because a rule may
    count the rows of another table.
    """
    moved: dict[str, int] = {}

    def move(table: TableRules, found: list[Finding]) -> None:
        moved.update(quarantine.apply(catalog, rules, table, found, known.trino, who))

    judged, states = _judged(rules, known, catalog, move)
    if moved:
        judged, states = _judged(rules, known, catalog, lambda *_: None)
    return [found for table, findings in judged for found in quarantine.explained(table, findings, moved)], states


def _judged(
    rules: Suite, known: Platform, catalog: Any, then: Callable[[TableRules, list[Finding]], None]
) -> tuple[list[tuple[TableRules, list[Finding]]], dict[str, State]]:
    # Read first: what is written to a table from here on may be judged, but does not count as judged.
    states = _states(rules, catalog)
    judged = []
    for table in rules.tables:
        narrowed = scope.narrowed(catalog, rules.name, table)
        found = validation.run(narrowed, known.trino)
        then(narrowed, found)
        judged.append((narrowed, found))
    return judged, states


def publish(outcome: Outcome, known: Platform, catalog: Any) -> None:
    """Tell everybody what was found; :class:`RunFailedError` when it stops the run.

    A gate that passed and cannot be recorded raises: its pass would be nobody's to look up. One that stops the run
    stops it in any case.
    """
    rules = outcome.suite
    head = f"{rules.name} [{outcome.start}, {outcome.end}): {rules.summary}"
    print(f"{head}\n\n{report.table(outcome.findings)}\n", flush=True)  # noqa: T201 - its output
    _write(outcome, Path(known.work) / "quality" / rules.name)
    if why := assertions.send(assertions.event(outcome, known.lineage, known.trino), known):
        _warn(f"the lineage service was not told: {why}")
    try:
        results.record(catalog, outcome)
    except LakeholdError as error:
        if outcome.passed:
            raise
        _warn(str(error))
    if blocking := [finding for finding in outcome.findings if finding.blocks]:
        raise RunFailedError(
            f"{rules.name}: {len(blocking)} of {len(outcome.findings)} rules are broken and stop the run.",
            why=", ".join(f"{finding.rule.id} on {finding.table}" for finding in blocking),
            remedy="mend the data (deliver the day again) and clear the task before this one, or change the rule",
        )


def _write(outcome: Outcome, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{outcome.start}_{outcome.end}"
    texts: Mapping[str, str] = {
        ".json": report.as_json(outcome.suite, outcome.start, outcome.end, outcome.findings),
        ".html": page.page(outcome),
    }
    for suffix, text in texts.items():
        stem.with_name(stem.name + suffix).write_text(text, encoding="utf-8")
    print(f"report: {stem}.html", flush=True)  # noqa: T201 - its output


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)  # noqa: T201 - the message of a program


def main() -> int:
    """Run the gate of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", required=True, metavar="NAME")
    parser.add_argument("--from", dest="start", type=date.fromisoformat, required=True, metavar="DATE")
    parser.add_argument("--to", dest="end", type=date.fromisoformat, required=True, metavar="DATE")
    parser.add_argument("--suites", type=Path, default=Path("quality"), metavar="FOLDER")
    args = parser.parse_args()
    try:
        run(args.suite, args.start, args.end, args.suites)
    except LakeholdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the message of a program
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
