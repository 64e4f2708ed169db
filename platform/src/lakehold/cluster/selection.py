"""Which pods and containers a name means: a component, one of its processes or tasks, Airflow's tasks; pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from lakehold.cluster.commands import COMPONENT, PASSING, PROCESS
from lakehold.cluster.configure import WORKERS
from lakehold.components.model import Component
from lakehold.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A selector of pods, and the one container of theirs that is meant; empty for all of them."""

    selector: str
    container: str = ""


KEYS = "keys"
"""The Job that makes the secrets; it belongs to no component."""


def select(name: str | None, components: Sequence[Component]) -> Selected:
    """Return what the name means; :class:`ConfigError` names those that come near."""
    known = names(components)
    if name is None:
        # These are asked for by their name.
        return Selected(selector=f"{COMPONENT} notin ({','.join(PASSING)})")
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    raise ConfigError(
        f'there is no component "{name}".' + (f' Did you mean "{near[0]}"?' if near else ""),
        why=f"there are {', '.join(known)}",
    )


def names(components: Sequence[Component]) -> dict[str, Selected]:
    """Return everything that can be named."""
    found: dict[str, Selected] = {}
    for part in components:
        if not part.processes:
            continue
        found[part.name] = Selected(selector=f"{COMPONENT} in ({part.name},{part.name}-setup)")
        for process in (one for one in part.processes if not one.one_machine):
            found.setdefault(process.name, Selected(selector=f"{PROCESS}={process.name}"))
        for task in (*part.before, *part.after):
            component = f"{part.name}-setup" if task.shared else part.name
            found[task.name] = Selected(selector=f"{COMPONENT}={component}", container=task.name)
    return {
        **found,
        **{one: Selected(selector=f"{COMPONENT}={one}") for one in (*WORKERS, *PASSING)},
        KEYS: Selected(selector=f"{COMPONENT}={KEYS}"),
    }
