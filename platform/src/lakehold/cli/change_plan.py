"""How the difference between two manifests is told."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from lakehold.cluster.changes import Change, Changes

_SEVERAL = 3


def show(changes: Changes, console: Console) -> None:
    """Print what changes, what starts again, which Jobs run; "nothing" when there is nothing."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style), soft_wrap=True, highlight=False)

    if not changes:
        line("nothing changes.")
        return
    for title, lines in _sections(changes):
        if lines:
            line(f"\n{title}", "bold")
            for text in lines:
                line(f"  {text}")


def _sections(changes: Changes) -> list[tuple[str, list[str]]]:
    restarts = [
        f"{one.workload}: {one.why}" + (" (a moment without it)" if one.gap else " (the new pod is ready first)")
        for one in changes.restarts
    ]
    return [
        ("Appears", list(changes.added)),
        ("Goes", list(changes.removed)),
        ("Changes", [_change(one) for one in changes.changed]),
        ("Starts again", restarts),
        ("Runs", [f"Job/{one.job}: {one.why}" for one in changes.runs]),
        ("Cannot be done", list(changes.refused)),
    ]


def _change(one: Change) -> str:
    names = ", ".join(one.objects[:_SEVERAL])
    more = f" and {len(one.objects) - _SEVERAL} more" if len(one.objects) > _SEVERAL else ""
    return f"{names}{more}: {one.field}: {one.before} → {one.after}"
