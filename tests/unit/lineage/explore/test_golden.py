from typing import Any

import pytest
from lakehold.errors import DataError
from lakehold.lineage.explore import golden
from lakehold.lineage.explore.golden import Line

FILE = """
tables: [gold.delays]
edges:
  - silver.flights.origin -> gold.delays.origin IDENTITY
  - silver.flights#arr_delay   ->  gold.delays.mean_delay AGGREGATION   # in any spelling
  - silver.flights.origin -> gold.delays GROUP_BY
  - s3://landing/notes#text -> gold.delays.note TRANSFORMATION
  - silver.planes -> gold.delays
"""


def read(text: str) -> golden.Golden:
    return golden.read(text, "delays.yml", "lakehouse")


def test_a_file_is_read() -> None:
    asserted = read(FILE)
    assert asserted.tables == ("gold.delays",)
    assert [str(line) for line in sorted(asserted.lines["gold.delays"])] == [
        "s3://landing/notes -> gold.delays",
        "s3://landing/notes#text -> gold.delays.note TRANSFORMATION",
        "silver.flights -> gold.delays",
        "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
        "silver.flights.origin -> gold.delays GROUP_BY",
        "silver.flights.origin -> gold.delays.origin IDENTITY",
        "silver.planes -> gold.delays",
    ]


def test_tables_are_those_the_edges_lead_into_unless_said() -> None:
    asserted = read("edges: ['a.b.c -> d.e.f IDENTITY', 'd.e.f -> g.h.i IDENTITY']")
    assert asserted.tables == ("d.e", "g.h")
    assert {table: sorted(map(str, lines)) for table, lines in asserted.lines.items()} == {
        "d.e": ["a.b -> d.e", "a.b.c -> d.e.f IDENTITY"],
        "g.h": ["d.e -> g.h", "d.e.f -> g.h.i IDENTITY"],
    }
    # A table nothing may lead into.
    assert read("tables: [a.b]").lines == {"a.b": frozenset()}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected the keys tables and edges"),
        ("[a.b]", "expected the keys tables and edges"),
        ("edges: [", "while parsing"),
        ("edges: {}", "it names no table"),
        ("edges: a.b -> c.d", "edges must be a list of lines"),
        ("edges: [{a: b}]", "edges must be a list of lines"),
        ("edge: []", "edge is no key of it"),
        ("edges: ['a.b.c => d.e.f']", "edges[0] is not `source -> target HOW`"),
        ("edges: ['a.b.c -> d.e.f COPY']", "edges[0]: COPY is none of AGGREGATION, CONDITIONAL"),
        ("edges: ['a.b.c -> d.e.f']", "edges[0] does not say how a.b.c becomes d.e.f"),
        ("tables: [a.b.c]", "tables must name tables, and a.b.c is a column"),
        ("tables: [x.y]\nedges: ['a.b.c -> d.e.f IDENTITY']", "a.b.c -> d.e.f IDENTITY leads into none of its tables"),
    ],
)
def test_what_is_not_understood_is_named(text: str, why: str) -> None:
    with pytest.raises(DataError, match=r"delays\.yml does not assert lineage") as problem:
        read(text)
    assert why in problem.value.why


def answer(*edges: tuple[str, str, str]) -> dict[str, Any]:
    """An answer of the service with these edges; a column is named ``table#column``."""
    names = sorted({end for source, target, _ in edges for end in (source, target)})
    ids = {name: index for index, name in enumerate(names)}
    nodes = [
        {"title": name.partition("#")[0], "fields": [{"id": ids[name], "name": name.partition("#")[2]}]}
        for name in names
    ]
    listed = [
        {"source": {"field": ids[source]}, "target": {"field": ids[target]}, "how": how}
        for source, target, how in edges
    ]
    return {"nodes": nodes, "edges": listed}


def test_an_answer_is_written_as_a_file_would_have_it() -> None:
    found = answer(
        ("silver.flights#origin", "gold.delays#origin", "IDENTITY"),
        ("s3://landing/notes#text", "gold.delays#note", "TRANSFORMATION"),
        ("silver.planes#", "gold.delays#", ""),
    )
    assert golden.lines(found, "lakehouse") == {
        Line("silver.flights.origin", "gold.delays.origin", "IDENTITY"),
        Line("s3://landing/notes#text", "gold.delays.note", "TRANSFORMATION"),
        Line("silver.planes", "gold.delays"),
    }


def test_a_difference_is_told_once() -> None:
    asserted = read(FILE).lines["gold.delays"]
    actual = golden.whole(
        [
            *(line for line in asserted if "notes" not in line.source),
            Line("silver.flights.origin", "gold.delays.origin", "TRANSFORMATION"),
        ],
        "lakehouse",
    )
    difference = golden.compare("gold.delays", asserted, actual, "lakehouse")
    assert [str(line) for line in difference.missing] == ["s3://landing/notes#text -> gold.delays.note TRANSFORMATION"]
    assert [str(line) for line in difference.unexpected] == [
        "silver.flights.origin -> gold.delays.origin TRANSFORMATION"
    ]
    assert len(difference) == 2
    assert len(golden.compare("gold.delays", asserted, asserted, "lakehouse")) == 0
