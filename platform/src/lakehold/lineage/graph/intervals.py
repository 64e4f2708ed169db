"""From what each run of a process wrote into a table to since when, and until when, each edge is valid.

Pure: the answer depends on the runs alone, not on the order in which they became known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

Believed = Literal["facet", "sql", "names"]


class Key(NamedTuple):
    """What makes an edge the same edge from run to run, within one process and target.

    The expression does not: statements with a date in their text would make another edge every day.
    """

    source_node: int
    source_field: int
    target_field: int
    how: str


class Detail(NamedTuple):
    """What else is known of an edge, as it was told last."""

    believed: Believed
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """One time an edge was valid."""

    first_seen: datetime
    last_seen: datetime
    first_run: UUID
    last_run: UUID
    detail: Detail
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """One run's writing into the table. ``ends``: what it did not read does not feed the table any more."""

    run: UUID
    process_run: UUID
    at: datetime
    ends: bool
    edges: Iterable[tuple[Key, Detail]]


@dataclass
class History:
    """Every interval of each edge; the last one of an edge may be open."""

    intervals: dict[Key, list[Interval]] = field(default_factory=dict)

    def add(self, writings: Iterable[Writing], *, complete: bool) -> None:
        """Add what one run of the process wrote, all its statements together.

        While that run goes on, or when it failed, it may not have come to all its statements: then it ends nothing.
        """
        ordered = sorted(writings, key=lambda one: (one.at, one.run))
        present: dict[Key, Interval] = {}
        for one in ordered:
            for key, detail in one.edges:
                seen = present.get(key)
                present[key] = (
                    Interval(one.at, one.at, one.run, one.run, detail)
                    if seen is None
                    else replace(seen, last_seen=one.at, last_run=one.run, detail=detail)
                )
        if complete and any(one.ends for one in ordered):
            self._end(present, ordered[0].at)
        for key, seen in present.items():
            self._extend(key, seen)

    def _end(self, present: Mapping[Key, Interval], at: datetime) -> None:
        """End what is not in ``present``. Where only names are known, nothing is said of the columns between them."""
        names_only = all(seen.detail.believed == "names" for seen in present.values())
        still = {key.source_node for key in present} if names_only else set()
        for key, known in self.intervals.items():
            if key not in present and key.source_node not in still and known[-1].ended_at is None:
                known[-1] = replace(known[-1], ended_at=at)

    def _extend(self, key: Key, seen: Interval) -> None:
        known = self.intervals.setdefault(key, [])
        if known and known[-1].ended_at is None:
            last = known[-1]
            known[-1] = replace(
                last,
                last_seen=max(last.last_seen, seen.last_seen),
                last_run=seen.last_run if seen.last_seen >= last.last_seen else last.last_run,
                detail=seen.detail if seen.last_seen >= last.last_seen else last.detail,
            )
        else:
            known.append(seen)


def history(writings: Iterable[Writing], complete: Iterable[UUID], start: History | None = None) -> History:
    """Return what all writings of a process into a table make; ``complete`` are its runs that ended well.

    ``start`` is the history before the first of these writings.
    """
    groups: dict[UUID, list[Writing]] = {}
    for one in writings:
        groups.setdefault(one.process_run, []).append(one)
    done = set(complete)
    found = start or History()
    for run, group in sorted(groups.items(), key=lambda item: (min(one.at for one in item[1]), item[0])):
        found.add(group, complete=run in done)
    return found
