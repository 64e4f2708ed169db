"""Looks after tables: ``python -m lakehold.tables.maintenance status|plan|maintain [TABLE …]``.

Runs in the engine environment and reads ``LAKEHOLD_PLATFORM``. Exit code 0 when all is well or done, 3 when the policy
file is wrong, 6 when an engine does not answer, 7 when an action failed (the others were still done), 8 for a table
that does not exist.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import psycopg

from lakehold.config import platform
from lakehold.errors import LakeholdError, NotRunningError, RunFailedError
from lakehold.tables import maintenance_report as report
from lakehold.tables import told
from lakehold.tables.maintenance_run import Run
from lakehold.tables.maintenance_table import Outcome
from lakehold.tables.policy import load


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    from sqlalchemy.exc import OperationalError

    args = _parser().parse_args(arguments)
    try:
        with told.by_pyiceberg():
            return _do(args)
    except LakeholdError as error:
        return _tell(error)
    except psycopg.Error as error:
        return _tell(told.by_database(error))
    except OperationalError as error:
        return _tell(NotRunningError("the catalog's database went away.", why=str(error), remedy="lakehold up"))


def _tell(error: LakeholdError) -> int:
    print(f"lakehold: {error}", file=sys.stderr)  # noqa: T201 - the message of a program
    return error.exit_code


def _do(args: argparse.Namespace) -> int:
    known = platform.load()
    run = Run(known, load(Path(known.checkout)), seconds=getattr(args, "budget_seconds", None))
    tables = run.tables(args.tables)
    if args.verb == "maintain" and not args.dry_run:
        outcomes = []
        for outcome in chain(run.maintain(tables), () if args.tables else run.clear()):
            outcomes.append(outcome)
            report.show_outcome(outcome)
        report.show_end(outcomes)
        return _verdict(outcomes)
    surveys = run.surveys(tables)
    if args.json:
        report.show_json(surveys)
    elif args.verb == "status":
        report.show_status(surveys)
    else:
        report.show_plan(run.ordered(surveys), run.budget)
    report.show_unreadable(run.unreadable)
    return RunFailedError.exit_code if run.unreadable else 0


def _verdict(outcomes: Sequence[Outcome]) -> int:
    failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    return RunFailedError.exit_code if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lakehold tables", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("status", "plan", "maintain"):
        one = verbs.add_parser(verb)
        one.add_argument("tables", nargs="*", metavar="TABLE", help="schema.table, or a schema for all of its tables")
        one.add_argument("--json", action="store_true")
        one.add_argument("--dry-run", action="store_true")
        one.add_argument("--budget-seconds", type=int, default=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
