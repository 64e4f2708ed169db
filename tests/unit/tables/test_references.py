"""Which files nothing refers to: never a referenced one, never a young one, and clones count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from lakehold.errors import ConflictError
from lakehold.tables.references import Name, Object, all_tables, counted, neighbours, place, unreferenced

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NAMES = some.integers(0, 30).map(lambda n: f"lakehouse/gold/t/data/{n}.parquet")
OBJECTS = some.builds(
    Object, place=NAMES, bytes=some.integers(0, 99), changed=some.integers(0, 9).map(lambda n: NOW - timedelta(days=n))
)


@given(some.lists(OBJECTS), some.sets(NAMES), some.integers(1, 9))
def test_only_old_files_that_nothing_refers_to_are_found(listed: list[Object], referenced: set[str], days: int) -> None:
    found = unreferenced(listed, referenced, NOW - timedelta(days=days))
    assert not {each.place for each in found} & referenced
    assert all(NOW - each.changed > timedelta(days=days) for each in found)
    kept = [each for each in listed if each not in found]
    assert all(each.place in referenced or NOW - each.changed <= timedelta(days=days) for each in kept)
    sums = counted(listed, found)
    assert (sums.files, sums.bytes) == (len(found), sum(each.bytes for each in found))


def test_a_file_has_one_place_whatever_the_scheme() -> None:
    assert place("s3a://lakehouse/gold/a b%20.parquet") == place("s3://lakehouse/gold/a b%20.parquet")


def table(location: str, metadata: str = "", **properties: str) -> Any:
    return SimpleNamespace(
        location=lambda: location,
        metadata_location=f"{metadata or location}/metadata/1.metadata.json",
        metadata=SimpleNamespace(properties=properties),
    )


def test_tables_that_may_have_files_below_a_folder() -> None:
    own = table("s3://lakehouse/gold/delays-1")
    clone = table("s3a://lakehouse/gold/delays-1/")
    nested = table("s3://lakehouse/gold/delays-1/inner")
    above = table("s3://lakehouse/gold")
    moved = table("s3://lakehouse/gold/elsewhere", metadata="s3://lakehouse/gold/delays-1")
    writes = table("s3://lakehouse/gold/other", **{"write.data.path": "s3://lakehouse/gold/delays-1/data"})
    sibling = table("s3://lakehouse/gold/delays-12")
    others = [own, clone, nested, above, moved, writes]
    assert neighbours(own, [*others, sibling]) == others


class Catalog:
    """Names and the tables they stand for; ``events`` happen before the listing or the loading of that number."""

    def __init__(self, tables: dict[str, str], **events: dict[str, str]) -> None:
        self.tables, self._events, self._steps = tables, events, 0

    def _step(self) -> None:
        self._steps += 1
        self.tables = self._events.get(f"step_{self._steps}", self.tables)

    def names(self) -> list[Name]:
        self._step()
        return [("gold", name) for name in self.tables]

    def load(self, name: Name) -> str | None:
        self._step()
        return self.tables.get(name[-1])

    def all(self) -> set[str]:
        return set(all_tables(self.names, self.load))


def test_a_table_that_is_renamed_while_all_are_read_is_not_missed() -> None:
    assert Catalog({"a": "A", "b": "B"}).all() == {"A", "B"}
    # Steps of a pass over two tables: 1 lists, 2 loads a, 3 loads b, 4 lists again.
    assert Catalog({"a": "A", "b": "B"}, step_3={"a": "A", "ab": "B"}).all() == {"A", "B"}
    assert Catalog({"a": "A", "b": "B"}, step_4={"a": "A", "b": "B", "c": "C"}).all() == {"A", "B", "C"}
    # As dbt replaces a table: the name that was read already is another one's when its turn comes.
    swapped = Catalog({"a": "A", "tmp": "B"}, step_3={"a": "B", "backup": "A"}, step_5={"a": "B"})
    assert "B" in swapped.all()
    # Listed in the middle of a move, it is in neither place.
    assert Catalog({"a": "A"}, step_3={"a": "A", "b": "B"}).all() == {"A", "B"}


def test_a_catalog_that_never_holds_still_is_not_guessed_at() -> None:
    always = {f"step_{number}": {f"name {number // 2}": "A"} for number in range(1, 40)}
    with pytest.raises(ConflictError, match="renamed or dropped all the while"):
        Catalog({}, **always).all()
