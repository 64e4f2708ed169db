"""Prints what gates found: ``python -m lakehold.quality.history [--latest] [--suite NAME] … [--json]``.

``--latest`` shows the rules of the last run of each suite; without it, one line a run of a gate, newest first, or one
line a result when a rule or table is named.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lakehold.config import platform
from lakehold.errors import LakeholdError
from lakehold.quality import results

Row = Mapping[str, Any]


def main() -> int:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latest", action="store_true")
    parser.add_argument("--suite", default="")
    parser.add_argument("--table", default="")
    parser.add_argument("--rule", default="")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--limit", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    filters = {"suite": args.suite, "table_name": args.table, "rule": args.rule}
    given = {name: value for name, value in filters.items() if value}
    try:
        opened = results.catalog(platform.load().catalog)
        read = results.latest if args.latest else results.history
        rows = read(opened, days=args.days, **given)
    except LakeholdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the message of a program
        return error.exit_code
    single = args.latest or args.rule or args.table
    shown = rows if args.latest else (rows if single else gates(rows))[: args.limit]
    print(json.dumps(shown, default=str, indent=2) if args.json else table(shown, by_rule=bool(single)))  # noqa: T201
    return 0


def gates(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Sum up the rules of each gate: one row a gate, in the order of ``rows``."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["gate_id"], []).append(row)
    return [
        {
            **{name: one[0][name] for name in ("checked_at", "suite", "interval_from", "interval_to", "gate_id")},
            "run": f"{one[0]['dag_id']}/{one[0]['run_id']}" if one[0]["dag_id"] else "by hand",
            "passed": all(row["outcome"] != "BLOCK" for row in one),
            "outcomes": dict(Counter(row["outcome"] for row in one)),
            "seconds": one[0]["seconds"],
        }
        for one in found.values()
    ]


def table(rows: Sequence[Row], *, by_rule: bool) -> str:
    """Lay out rows for people: results of rules, or gates."""
    if not rows:
        return "No gate has been recorded in that time."
    return _columns([_RULE_HEAD, *map(_rule, rows)] if by_rule else [_GATE_HEAD, *map(_gate, rows)])


_RULE_HEAD = ("checked (UTC)", "suite", "from", "outcome", "table", "rule", "rows", "broken", "found")
_GATE_HEAD = ("checked (UTC)", "suite", "from", "to", "verdict", "rules", "seconds", "run")


def _rule(row: Row) -> tuple[str, ...]:
    counts = (row["row_count"], row["unexpected_count"])
    return (
        f"{row['checked_at']:%Y-%m-%d %H:%M}",
        row["suite"],
        str(row["interval_from"]),
        row["outcome"],
        row["table_name"],
        row["rule"],
        *("" if count is None else f"{count:,}" for count in counts),
        (row["seen"] or row["observed"])[:80],
    )


def _gate(row: Row) -> tuple[str, ...]:
    outcomes = ", ".join(f"{count} {word}" for word, count in sorted(row["outcomes"].items()))
    return (
        f"{row['checked_at']:%Y-%m-%d %H:%M}",
        row["suite"],
        str(row["interval_from"]),
        str(row["interval_to"]),
        "passed" if row["passed"] else "STOPPED",
        outcomes,
        f"{row['seconds']:.1f}",
        row["run"],
    )


def _columns(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


if __name__ == "__main__":
    sys.exit(main())
