"""What maintenance tells: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehold.tables.maintenance_plan import Remaining
from lakehold.tables.maintenance_table import Outcome, Survey

_STYLES = {
    "done": "green",
    "dry": "cyan",
    "skipped": "yellow",
    "retried": "yellow",
    "given up": "yellow",
    "failed": "red",
}
_KILO = 1000


def size(count: float) -> str:
    """Return bytes as people say them: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was: ``3 d``."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return "now"


def show_status(surveys: Sequence[Survey]) -> None:
    """Print one line a table."""
    now = datetime.now(UTC)
    names = "table,files,small,size,deleted rows,manifests,snapshots,refs,overlap,orphans,maintained,needs"
    table = _table(*names.split(","), right=range(1, 9))
    for survey in surveys:
        state = survey.state
        deletes = f"{state.delete_rows:,} in {state.delete_files:,}" if state.delete_files else ""
        orphans = size(state.orphans.bytes) if state.orphans and state.orphans.files else ""
        table.add_row(
            state.name,
            f"{state.files:,}",
            f"{state.small_files:,}",
            size(state.bytes),
            deletes,
            f"{state.manifests:,}",
            f"{len(state.snapshots):,}",
            f"{len(state.refs):,}",
            "" if state.overlap is None else f"{state.overlap:.0%}",
            orphans,
            age(survey.past.last, now),
            _needs(survey),
        )
    _console().print(table if surveys else "There are no tables yet.")


def _needs(survey: Survey) -> Text:
    kinds = [action.kind + (" (dry)" if action.dry else "") for action in survey.actions]
    if not kinds:
        return Text("nothing", style="green")
    return Text(", ".join(kinds) + (", but is busy" if survey.busy else ""), style="yellow")


def show_plan(surveys: Sequence[Survey], budget: Remaining) -> None:
    """Print what would be done, in order, and whether it fits."""
    table, left = _table("table", "action", "by", "about", "rewrites", "because", right=(3, 4)), budget
    for survey in surveys:
        for action in survey.actions:
            fits = left.allows(action)
            left = left.after(action) if fits and not action.dry else left
            because = action.reason if fits else f"{action.reason}; not in this run: the budget is used up"
            because = f"not now: {survey.busy}" if survey.busy else because
            kind = f"{action.kind} (dry)" if action.dry else action.kind
            table.add_row(
                survey.state.name, kind, action.engine, f"{action.seconds:.0f} s", size(action.bytes), because
            )
    _console().print(table if table.row_count else "There is nothing to do.")


def show_outcome(outcome: Outcome) -> None:
    """Print one line as soon as an action has ended."""
    action = f"{outcome.action.kind} ({outcome.action.engine})" if outcome.action else ""
    first, *rest = outcome.told.splitlines() or [""]
    line = Text.assemble(
        f"{outcome.table}  {action:20}  ",
        (outcome.outcome, _STYLES.get(outcome.outcome, "yellow")),
        f"  {outcome.seconds:.1f} s  {first}" if outcome.seconds else f"  {first}",
    )
    console = _console()
    console.print(line, soft_wrap=True)
    for more in rest:
        console.print(Text(f"    {more}"), soft_wrap=True)


def show_end(outcomes: Sequence[Outcome]) -> None:
    """Print how the run ended."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.outcome] = counts.get(outcome.outcome, 0) + 1
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    _console().print(f"{told}." if told else "There is nothing to do.", highlight=False)


def show_unreadable(unreadable: Mapping[str, str]) -> None:
    """Print tables that could not be measured, to standard error."""
    for name, why in unreadable.items():
        Console(stderr=True).print(Text(f"{name}: it cannot be measured: {why}", style="red"), soft_wrap=True)


def show_json(surveys: Sequence[Survey]) -> None:
    """Print everything measured and planned, as one document."""
    print(json.dumps([_document(survey) for survey in surveys], indent=2, default=str))  # noqa: T201 - its output


def _document(survey: Survey) -> dict[str, Any]:
    state = survey.state
    # A table may have thousands of partitions and snapshots: their numbers are what is asked for.
    return {
        **{key: value for key, value in asdict(state).items() if key not in ("partitions", "snapshots")},
        "name": state.name,
        "partitions": len(state.partitions),
        "files": state.files,
        "small_files": state.small_files,
        "bytes": state.bytes,
        "snapshots": len(state.snapshots),
        "first_seen": survey.past.first_seen,
        "last_maintained": survey.past.last,
        "busy": survey.busy,
        "actions": [asdict(action) for action in survey.actions],
    }


def _table(*names: str, right: Sequence[int] | range = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(names):
        justify = "right" if number in right else "left"
        table.add_column(name, justify=justify, no_wrap=name not in ("because", "needs"), overflow="fold")  # type: ignore[arg-type]  # one of rich's words
    return table


def _console() -> Console:
    return Console(highlight=False)
