"""Runs one gate: ``python -m lakehold.quality.run --suite bronze_flights --from 2013-01-01 --to 2013-01-02``.

Exit code 0 when no rule that blocks is broken, 7 when one is, 3 when the suite cannot be read, 1 when a rule could not
be evaluated. The findings are also written to ``<work>/quality/<suite>/<from>_<to>.json``.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from lakehold.config import platform
from lakehold.errors import LakeholdError, RunFailedError
from lakehold.quality import report, suite, validation


def run(name: str, start: date, end: date, folder: Path) -> None:
    """Run the suite ``name`` of ``folder`` over [start, end); :class:`RunFailedError` when it stops the run."""
    known = platform.load()
    rules = suite.load(folder, name, start, end)
    findings = list(validation.run(rules, known.trino))
    print(f"{rules.name} [{start}, {end}): {rules.summary}\n\n{report.table(findings)}\n", flush=True)  # noqa: T201 - its output
    target = Path(known.work) / "quality" / name / f"{start}_{end}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(report.as_json(rules, start, end, findings), encoding="utf-8")
    if blocking := [finding for finding in findings if finding.blocks]:
        raise RunFailedError(
            f"{name}: {len(blocking)} of {len(findings)} rules are broken and stop the run.",
            why=", ".join(f"{finding.rule.id} on {finding.table}" for finding in blocking),
            remedy="mend the data (deliver the day again) and clear the task before this one, or change the rule",
        )


def main() -> int:
    """Run the gate of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", required=True, metavar="NAME")
    parser.add_argument("--from", dest="start", type=date.fromisoformat, required=True, metavar="DATE")
    parser.add_argument("--to", dest="end", type=date.fromisoformat, required=True, metavar="DATE")
    args = parser.parse_args()
    try:
        run(args.suite, args.start, args.end, Path("quality"))
    except LakeholdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the message of a program
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
