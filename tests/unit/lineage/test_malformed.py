"""Whatever is sent, reading it ends in an event or in a reason: nothing else is ever raised."""

from __future__ import annotations

import random
from collections.abc import Callable

import malformed
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from lakehold.lineage.event import Event, parse, parse_batch
from lakehold.lineage.jsontext import MalformedError
from lakehold.lineage.rows import _row
from lakehold.lineage.trino import run_event

CHOICES = st.randoms(use_true_random=False)


def read(body: bytes) -> str:
    """Return what became of one body: ``event``, or the reason it is none."""
    try:
        event = parse(body)
    except MalformedError as problem:
        return str(problem) or "no reason"
    # What the database is given holds no character it cannot store.
    for text in (*(event.job or ()), *(part for name in (*event.inputs, *event.outputs) for part in name)):
        assert "\x00" not in text
        text.encode("utf-8")
    assert _row(event)
    return "event"


def read_trino(body: bytes) -> str:
    """Return ``event``, ``left out`` for a query that only reads, or the reason it is neither."""
    try:
        translated = run_event(body, "lakehold")
    except MalformedError as problem:
        return str(problem) or "no reason"
    return "left out" if translated is None else read(translated)


def read_batch(body: bytes) -> list[str]:
    """Return what became of each element, or of the whole."""
    try:
        items = parse_batch(body)
    except MalformedError as problem:
        return [str(problem) or "no reason"]
    return ["event" if isinstance(item, Event) else item.reason or "no reason" for item in items]


@settings(max_examples=300, deadline=None)
@given(choose=CHOICES)
def test_one_event(choose: random.Random) -> None:
    assert read(malformed.openlineage(choose)) != "no reason"
    assert read_trino(malformed.trino(choose)) != "no reason"


@settings(max_examples=100, deadline=None)
@given(choose=CHOICES)
def test_a_batch(choose: random.Random) -> None:
    assert "no reason" not in read_batch(malformed.batch(choose))


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@example(body=b"[]")
def test_noise(body: bytes) -> None:
    # An object without anything may be a query that failed before Trino knew what kind it was of.
    assume(not body.strip().startswith(b"{"))
    assert {read(body), read_trino(body)}.isdisjoint({"event", "left out", "no reason"})


@pytest.mark.parametrize(("make", "take"), [(malformed.openlineage, read), (malformed.trino, read_trino)])
def test_thousands_of_a_kind(make: Callable[[random.Random], bytes], take: Callable[[bytes], str]) -> None:
    """A hundred thousand over HTTP, with PostgreSQL behind them, are ``bench/lineage_malformed.py``."""
    choose = random.Random(5)  # noqa: S311 - the same bodies each time
    became = [take(make(choose)) for _ in range(5000)]
    assert "no reason" not in became
    assert sum(one not in ("event", "left out") for one in became) > 2000
