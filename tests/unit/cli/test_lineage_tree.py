"""The trees of `lakehold lineage show`."""

from __future__ import annotations

import io
from typing import Any

from lakehold.cli.lineage_tree import column_tree, table_tree
from rich.console import Console
from rich.tree import Tree


def answer(of: str, *edges: str) -> dict[str, Any]:
    """An answer of the service: ``a.t.c -> b.t.d HOW process``; a name with one dot is a table as a whole."""
    names = {of, *(end for edge in edges for end in edge.split()[0:3:2])}
    tables = sorted({".".join(name.split(".")[:2]) for name in names})
    node_of = {name: tables.index(".".join(name.split(".")[:2])) for name in names}
    field_of = {name: 100 + index for index, name in enumerate(sorted(names))}
    nodes = [
        {
            "id": index,
            "namespace": "lakehouse",
            "name": table,
            "title": table,
            "fields": [
                {"id": field_of[name], "name": ".".join(name.split(".")[2:])}
                for name in names
                if node_of[name] == index
            ],
        }
        for index, table in enumerate(tables)
    ]
    listed = []
    for edge in edges:
        source, _, target, how, process = edge.split()
        listed.append(
            {
                "source": {"node": node_of[source], "field": field_of[source]},
                "target": {"node": node_of[target], "field": field_of[target]},
                "how": how.strip("-"),
                "direct": how in {"IDENTITY", "AGGREGATION", "TRANSFORMATION"},
                "expression": "sum(\n  x)" if how == "AGGREGATION" else "",
                "process": process,
            }
        )
    column = of.count(".") > 1
    return {
        "of": {"node": node_of[of], "field": field_of[of] if column else None},
        "nodes": nodes,
        "edges": listed,
        "unknown": {"rank": "made by a Python function"} if not column else {},
        "more": [],
        "processes": [{"id": name, "name": name} for name in {edge.split()[-1] for edge in edges}],
    }


def drawn(tree: Tree) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=200).print(tree)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_values_come_before_what_decides_and_expressions_are_on_one_line() -> None:
    found = answer(
        "g.t.x",
        "s.t.when -> g.t.x CONDITIONAL p",
        "s.t.y -> g.t.x AGGREGATION p",
        "s.t.y -> g.t.x WINDOW p",
        "s.t.k -> g.t JOIN q",
        "s.t -> g.t - p",
    )
    assert drawn(column_tree(found, "up", "lakehouse")) == [
        "g.t.x comes from",
        "├── s.t.y  AGGREGATION, WINDOW  by p  sum( x)",
        "├── s.t.when  CONDITIONAL  by p",
        "└── and its rows are decided by",
        "    └── s.t.k  JOIN  by q",
    ]


def test_what_is_shown_already_is_not_shown_again_with_all_it_has() -> None:
    found = answer(
        "a.t.x",
        "a.t.x -> b.t.x IDENTITY p",
        "a.t.x -> c.t.x IDENTITY p",
        "b.t.x -> d.t.x IDENTITY p",
        "c.t.x -> b.t.x IDENTITY p",
        "a.t.x -> a.t.x IDENTITY p",
    )
    assert drawn(column_tree(found, "down", "lakehouse")) == [
        "a.t.x goes into",
        "├── b.t.x  IDENTITY  by p",
        "│   └── d.t.x  IDENTITY  by p",
        "└── c.t.x  IDENTITY  by p",
        "    └── b.t.x  IDENTITY  by p  (shown elsewhere)",
    ]


def test_a_table_names_some_columns_and_counts_the_others() -> None:
    found = answer("b.t", *(f"a.t.c{index} -> b.t.c{index} IDENTITY p" for index in range(9)), "z.t -> b.t - q")
    assert drawn(table_tree(found, "up")) == [
        "b.t comes from",
        "├── a.t  c0, c1, c2, c3 … 9 columns  by p",
        "├── z.t  as a whole  by q",
        "└── nobody knows what rank is made from: made by a Python function",
    ]


def test_tables_that_are_not_shown_are_counted_where_they_would_be() -> None:
    found = answer("s.t", "s.t.a -> g.one.a IDENTITY p", "s.t -> g.one - p", "g.one.a -> h.x.a IDENTITY q")
    node = {one["title"]: one["id"] for one in found["nodes"]}
    found["more"] = [
        {"node": node["s.t"], "field": None, "direction": "down", "tables": 1975},
        {"node": node["g.one"], "field": None, "direction": "down", "tables": 1},
        {"node": node["g.one"], "field": None, "direction": "up", "tables": 7},
    ]
    assert drawn(table_tree(found, "down")) == [
        "s.t goes into",
        "├── g.one  a  by p",
        "│   ├── h.x  a  by q",
        "│   └── and 1 more table",
        "└── and 1,975 more tables",
    ]


def test_tables_that_are_not_shown_are_counted_for_each_column() -> None:
    found = answer("s.t.a", "s.t.a -> g.one.a IDENTITY p", "s.t.b -> g.one.b IDENTITY p")
    field = {one["name"]: one["id"] for node in found["nodes"] if node["title"] == "s.t" for one in node["fields"]}
    found["more"] = [{"node": 1, "field": field["a"], "direction": "down", "tables": 3}]
    assert drawn(column_tree(found, "down", "lakehouse")) == [
        "s.t.a goes into",
        "├── g.one.a  IDENTITY  by p",
        "└── and 3 more tables",
    ]
