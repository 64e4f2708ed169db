"""The interval a job is run for: ``--from DATE --to DATE``, half-open, as days."""

from __future__ import annotations

import argparse
from datetime import date, timedelta


def from_command_line(description: str | None) -> list[date]:
    """Read the interval from the command line; its days, of which there is at least one."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", type=date.fromisoformat, required=True, metavar="DATE")
    parser.add_argument("--to", dest="end", type=date.fromisoformat, required=True, metavar="DATE")
    args = parser.parse_args()
    if args.end <= args.start:
        parser.error(f"the interval from {args.start} to {args.end} has no day; --to is the day after the last")
    return [args.start + timedelta(days=n) for n in range((args.end - args.start).days)]
