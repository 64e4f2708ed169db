"""Audit before publish, as a program of the engine environment: ``python -m lakehold.tables.run VERB …``.

    clone     make a run's shadow of schemas, for its tasks to write to
    publish   publish the shadow: all tables at once, or none
    discard   give the shadows of a run up
    shadows   list live shadows
    history   what happened to a table
    rollback  take a run's publication back, or bring a table back

Exit codes are those of ``lakehold``: 9 when somebody else was faster, 75 when another run is at work, 8 when there is
nothing to publish or to go back to.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import psycopg

from lakehold.config import platform
from lakehold.config.platform import Platform
from lakehold.errors import ConfigError, LakeholdError
from lakehold.tables import clone as cloning
from lakehold.tables import history, leavings, ledger, publish, rollback, told
from lakehold.tables.shadow import Audit

WAIT_SECONDS = 600.0
"""How long a clone waits for another run's shadow, by default."""


def _outside(known: Platform) -> bool:
    """Whether the catalog is an outside REST catalog; its client takes a second to import, so only then it is."""
    return known.catalog["type"] == "rest"


def clone(known: Platform, args: argparse.Namespace) -> None:
    """Make a shadow."""
    wait = cloning.BESIDE if args.beside else 0.0 if args.refuse else args.wait
    make = cloning.clone
    if _outside(known):
        from lakehold.tables.rest import clone as make
    shadow = make(known, Audit(args.run, args.group), args.schema, wait=wait)
    for target, name in shadow.schemas.items():
        _say(f"{target} -> {name}")


def publish_shadow(known: Platform, args: argparse.Namespace) -> None:
    """Publish a shadow."""
    move = publish.publish
    if _outside(known):
        from lakehold.tables.rest_publish import publish as move
    judged: dict[str, set[str]] = {}
    for said in args.judged:
        table, _, file = said.partition("=")
        judged.setdefault(table, set()).add(file)
    done = move(known, Audit(args.run, args.group), tag_days=args.tag_days, judged=judged)
    if done.earlier:
        _say(f"published already, at {done.entry.at:%Y-%m-%d %H:%M:%S %Z}; nothing was left to do")
    for change in done.entry.changes:
        if change.changed:
            _say(f"published {change.schema}.{change.name}")
    unchanged = sum(not change.changed for change in done.entry.changes)
    _say(f"tag {done.entry.tag}" + (f", on {unchanged} unchanged tables too" if unchanged else ""))


def discard(known: Platform, args: argparse.Namespace) -> None:
    """Give shadows up."""
    forget, left_behind = cloning.discard, cloning.left_behind
    if _outside(known):
        from lakehold.tables.rest import discard as forget
        from lakehold.tables.rest import left_behind
    left = left_behind(known, args.run, args.group)
    found = forget(known, args.run, args.group, dry_run=args.dry_run)
    with ledger.connect(known) as connection:
        published = {shadow.id for shadow in found if ledger.exists(connection, shadow.publication)}
    for shadow in found:
        names = ", ".join(sorted(shadow.schemas.values()))
        if shadow.id in published:
            _say(f"{shadow.run} (group {shadow.group}) was published; what is left is {names}, which goes")
            continue
        _say(f"{'would discard' if args.dry_run else 'discarded'} {names} of {shadow.run} (group {shadow.group})")
    if not found:
        _say(f"{args.run} has no shadow")
    for folder in left:
        _say(
            f"files of a table that was new in it stay in {folder} for {leavings.DAYS} days, then maintenance clears it"
        )


def shadows(known: Platform, args: argparse.Namespace) -> None:
    """List live shadows."""
    catalog = known.catalog["name"]
    with ledger.connect(known) as connection:
        found = [(shadow, ledger.clones(connection, shadow)) for shadow in ledger.live(connection, catalog)]
        published = {shadow.id for shadow, _ in found if ledger.exists(connection, shadow.publication)}
    rows: list[dict[str, Any]] = [
        {
            "run": shadow.run,
            "group": shadow.group,
            "schemas": dict(shadow.schemas),
            "created_at": shadow.created_at.isoformat(timespec="seconds"),
            "tables": [f"{one.target}.{one.name}" for one in clones],
            "state": "published, to be cleared" if shadow.id in published else "" if shadow.cloned else "half cloned",
        }
        for shadow, clones in found
    ]
    if args.json:
        _say(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = f"  ({row['state']})" if row["state"] else ""
        _say(f"{row['created_at']}  {row['run']}  {row['group']}  {', '.join(row['schemas'])}{state}")


def table_history(known: Platform, args: argparse.Namespace) -> None:
    """Tell a table's history."""
    events = [event.as_json() for event in history.history(known, args.table)]
    if args.json:
        _say(json.dumps(events, indent=2))
        return
    for event in events:
        _say(f"{event['at']}  {event['kind']:16}  {event['snapshot'] or '':20}  {event['by']}")


def roll_back(known: Platform, args: argparse.Namespace) -> None:
    """Take a run's publication back, or bring a table back."""
    if args.to is None and re.fullmatch(r"\w+\.\w+", args.what):
        raise ConfigError(
            f"to what is {args.what} to be brought back?",
            why="a table goes back to a snapshot, a time or a run; only a run has one publication to take back",
            remedy=f"lakehold tables history {args.what}, then: lakehold tables rollback {args.what} --to …",
        )
    if args.to in (None, "before", "after"):
        done = rollback.run_back(known, args.what, args.to or "before", dry_run=args.dry_run)
    else:
        done = rollback.table_back(known, args.what, args.to, dry_run=args.dry_run)
    for outcome in done:
        _say(f"{'would be: ' if args.dry_run else ''}{outcome.table}  {outcome.action}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its output


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, call: Callable[[Platform, argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=call.__doc__, description=call.__doc__)
        made.set_defaults(call=call)
        return made

    def of_group(made: argparse.ArgumentParser, *, group: bool = True) -> argparse.ArgumentParser:
        made.add_argument("--run", required=True, help="the run: <dag_id>/<run_id>, or any name")
        made.add_argument("--group", required=group, help="the audited group of the run")
        return made

    def dry(made: argparse.ArgumentParser) -> None:
        made.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    cloned = of_group(verb("clone", clone))
    cloned.add_argument("--schema", action="append", required=True, help="a schema to clone; may be repeated")
    patience = cloned.add_mutually_exclusive_group()
    patience.add_argument("--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for another's shadow")
    patience.add_argument("--refuse", action="store_true", help="do not wait for another run's shadow")
    patience.add_argument("--beside", action="store_true", help="go ahead beside it: the first to publish wins")
    published = of_group(verb("publish", publish_shadow))
    published.add_argument("--tag-days", type=float, default=publish.TAG_DAYS, help="days the run's tag is kept")
    seen = "publish the table only as this metadata file of its shadow has it, or another one given"
    published.add_argument("--judged", action="append", default=[], metavar="TABLE=FILE", help=seen)
    dry(of_group(verb("discard", discard), group=False))
    verb("shadows", shadows).add_argument("--json", action="store_true", help="print JSON")
    told = verb("history", table_history)
    told.add_argument("table", help="schema.table")
    told.add_argument("--json", action="store_true", help="print JSON")
    back = verb("rollback", roll_back)
    back.add_argument("what", help="a run, or schema.table")
    back.add_argument("--to", help="before|after (of a run); a snapshot, time or run (of a table)")
    dry(back)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the verb of the command line."""
    args: Any = _parser().parse_args(arguments)
    try:
        known = platform.load()
        with told.by_pyiceberg() if _outside(known) else nullcontext():
            args.call(known, args)
    except LakeholdError as error:
        return _tell(error)
    except psycopg.Error as error:
        return _tell(told.by_database(error))
    return 0


def _tell(error: LakeholdError) -> int:
    print(error, file=sys.stderr, flush=True)  # noqa: T201 - the message of a program
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
